#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The manual pages build, mandoc has nothing to say about them, and berth(1) describes each verb that exists.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BERTH_BUILD:=build/gcc}"
pass=0 fail=0 skip=0
ok() { pass=$((pass + 1)) && echo "ok - $1"; }
not_ok() { fail=$((fail + 1)) && echo "not ok - $1"; }

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

if command -v scdoc >/dev/null && command -v mandoc >/dev/null; then
    for page in docs/man/*.scd; do
        name=$(basename "$page" .scd)
        if ! scdoc <"$page" >"$tmp/$name" 2>"$tmp/scdoc"; then
            not_ok "$name builds: $(cat "$tmp/scdoc")"
            continue
        fi
        ok "$name builds"
        # below "warning" it is about the style of mdoc(7); and scdoc ends each paragraph with an empty one
        mandoc -T lint -W warning "$tmp/$name" | grep -v 'skipping paragraph macro: PP' >"$tmp/lint"
        if ! [ -s "$tmp/lint" ]; then
            ok "mandoc has nothing to say about $name"
        else
            not_ok "mandoc about $name: $(cat "$tmp/lint")"
        fi
    done
else
    skip=$((skip + 1))
    echo "skip - scdoc and mandoc are not installed ('make deps' installs them)"
fi

# Every key of the policy language and every attribute of devices has its place in berth-policy(5).
keys=$("$BERTH_BUILD/tests/policy_keys" | python3 -c 'import json, sys
t = json.load(sys.stdin)
print("\n".join(t["attributes"] + [key for keys in t["objects"].values() for key in keys]))' | sort -u)
[ -n "$keys" ] || not_ok "policy_keys lists keys"
missing=$(for key in $keys; do grep -qE "[*\"]$key[*\"]" docs/man/berth-policy.5.scd || echo "$key"; done)
if [ -z "$missing" ]; then ok "berth-policy(5) names every key and attribute"; else not_ok "berth-policy(5) does not name: $missing"; fi

# Verbs are in `berth help` as "  NAME  summary"; in the manual each has a heading "## NAME".
verbs=$("$BERTH_BUILD/berth" help | sed -n 's/^  \([a-z]*\) .*/\1/p')
[ -n "$verbs" ] || not_ok "berth help lists verbs"
for verb in $verbs; do
    if grep -qE "^## $verb( |\$)" docs/man/berth.1.scd; then
        ok "the manual has a section about $verb"
    else
        not_ok "the manual has a section about $verb"
    fi
done
echo "$pass passed, $fail failed, $skip skipped"
[ $fail -eq 0 ]

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# berth audit and audit verify on a ledger that an older berth has written (tests/data/ledger), and on one that was tampered
# with; the usage errors of what has to do with time.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BERTH_BUILD:=build/gcc}"
pass=0 fail=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
ok() { pass=$((pass + 1)) && echo "ok - $1"; }
not_ok() {
    fail=$((fail + 1)) && echo "not ok - $1"
    sed 's/^/#   /' "$tmp/out" "$tmp/err"
}

# expect WHAT EXIT-CODE TEXT-OF-STDOUT TEXT-OF-STDERR ARGUMENT…  (a text is a grep pattern, "" for nothing at all)
expect() {
    what=$1 code=$2 out=$3 err=$4
    shift 4
    "$BERTH_BUILD/berth" "$@" >"$tmp/out" 2>"$tmp/err"
    got=$?
    good=1
    [ $got -eq "$code" ] || good=0
    if [ -n "$out" ]; then grep -q -- "$out" "$tmp/out" || good=0; else [ ! -s "$tmp/out" ] || good=0; fi
    if [ -n "$err" ]; then grep -q -- "$err" "$tmp/err" || good=0; else [ ! -s "$tmp/err" ] || good=0; fi
    if [ $good -eq 1 ]; then ok "$what"; else not_ok "$what (exit code $got)"; fi
}
lines() { # WHAT NUMBER: of the output before
    if [ "$(wc -l <"$tmp/out")" -eq "$2" ]; then ok "$1"; else not_ok "$1"; fi
}
key() { # WHAT PYTHON-EXPRESSION over d, the output before
    if python3 -c "import json,sys; d=json.load(open('$tmp/out')); sys.exit(not ($2))" 2>>"$tmp/err"; then
        ok "$1"
    else
        not_ok "$1"
    fi
}

mkdir -p "$tmp/root/sys/bus/pci/devices" "$tmp/root/proc" "$tmp/root/dev" "$tmp/etc"
mkdir -m 700 "$tmp/state"
export BERTH_ROOT="$tmp/root" BERTH_ETC="$tmp/etc" BERTH_STATE="$tmp/state" BERTH_RUN="$tmp/run"

expect "without a ledger nothing is recorded" 0 "^nothing is recorded$" "" audit
expect "an empty record is whole" 0 "^0 rows are as they were written" "" audit verify
expect "an empty list is JSON" 0 '"audit"' "" audit --json
cp tests/data/ledger/format-2.db "$tmp/state/ledger.db"
expect "rows of an older format are listed" 0 "assign.*t1.*0000:01:00.0" "" audit
lines "a head and three rows" 4
expect "only those of a VM" 0 "release.*t2" "" audit --vm t2
lines "a head and one row" 2
expect "only those of a device" 0 "0000:02:00.0" "" audit --device 02:00.0
lines "a head and one row" 2
expect "only the last" 0 "release" "" audit -n 1
lines "a head and one row" 2
expect "only since" 0 "^nothing is recorded of that" "" audit --since 2100-01-01
expect "as JSON" 0 '"audit"' "" audit --json
key "numbers are numbers, absent is null" 'd["audit"][0]["uid"]==1000 and d["audit"][0]["reason"] is None and len(d["audit"])==3'
expect "an older record is whole" 0 "^3 rows are as they were written; the last one's hash is [0-9a-f]\{64\}$" "" audit verify
expect "a VM without devices has nothing to renew" 1 "" "owns no device" renew --vm t9 --for 2h --dry-run

"$BERTH_BUILD/berth" audit verify --json >"$tmp/out" 2>"$tmp/err"
key "verify as JSON" 'd["verify"][0]["rows"]==3 and d["verify"][0]["broken"] is None and len(d["verify"][0]["head"])==64'

# brought up to date, by what a changing verb does first, then changed by hand
python3 - "$tmp" <<'PY'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1] + "/state/ledger.db")
assert c.execute("PRAGMA user_version").fetchone() == (2,), "reading has changed the format"
PY
if [ $? -eq 0 ]; then ok "reading has not changed the format"; else not_ok "reading has not changed the format"; fi

expect "a --for that is no time is a usage error" 2 "" "--for 'soon' is no time" assign 01:00.0 --vm t1 --for soon
expect "a --for of nothing is a usage error" 2 "" "is no time" assign 01:00.0 --vm t1 --for 0s
expect "an --until that is no moment is a usage error" 2 "" "--until 'noon' is no moment" renew 01:00.0 --until noon
expect "--for and --until exclude each other" 2 "" "give one" assign 01:00.0 --vm t1 --for 2h --until 2100-01-01
expect "an --on-expiry that does not exist is a usage error" 2 "" "is not notify, detach or shutdown" run --name t1 --on-expiry explode
expect "renew wants to know what" 2 "" "of what?" renew --for 2h
expect "a --since that is no time is a usage error" 2 "" "--since 'x' is no time" audit --since x
expect "-n wants a number" 2 "" "is not a number" audit -n 0
expect "verify takes no filter" 2 "" "takes --json only" audit verify --vm t1
expect "audit knows verify only" 2 "" "one argument too many" audit check

echo
echo "$pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]

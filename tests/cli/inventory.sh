#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The reading verbs on a machine without a PCI bus, their usage errors, and the completion for bash.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BERTH_BUILD:=build/gcc}"
berth=$(realpath "$BERTH_BUILD/berth")
pass=0 fail=0

ok() { # NAME COMMAND…
    local name=$1
    shift
    if "$@"; then pass=$((pass + 1)) && echo "ok - $name"; else fail=$((fail + 1)) && echo "not ok - $name"; fi
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/root/sys" "$tmp/root/dev" "$tmp/root/proc/self" "$tmp/state" "$tmp/etc"
: >"$tmp/root/proc/self/mountinfo"
export BERTH_ROOT=$tmp/root BERTH_STATE=$tmp/state BERTH_ETC=$tmp/etc BERTH_LIB=$tmp/lib BERTH_RUN=$tmp/run

run() { # STATUS WORDS VERB…: exit status, and the words on stdout or stderr
    local want=$1 words=$2
    shift 2
    "$berth" "$@" >"$tmp/out" 2>&1
    local got=$?
    [ $got -eq "$want" ] && grep -qF -- "$words" "$tmp/out" && return
    echo "    berth $*: exit status $got, said:"
    sed 's/^/    /' "$tmp/out"
    return 1
}

json() { # EXPRESSION VERB…: of the JSON in d
    local expression=$1
    shift
    "$berth" "$@" 2>/dev/null | python3 -c "import json, sys; d = json.load(sys.stdin); sys.exit(not ($expression))"
}

ok "list without a PCI bus says so and exits 0" run 0 "no PCI bus" list
ok "list --json is an empty array" json 'd == {"devices": []}' list --json
ok "groups without a PCI bus exits 0" run 0 "no PCI bus" groups
ok "groups --json is an empty array" json 'd == {"groups": []}' groups --json
ok "topology without a PCI bus exits 0" run 0 "no PCI bus" topology
ok "topology --json is an empty array" json 'd == {"topology": []}' topology --json
ok "topology --dot is an empty graph" run 0 "graph pcie {" topology --dot
ok "doctor finds such a machine not fit" run 1 "this machine has no PCI bus" doctor
ok "doctor --json has names and states" json 'any(c["name"] == "pci" and c["status"] == "fail" for c in d["checks"])' doctor --json

ok "show wants a device" run 2 "which device?" show
ok "show of a malformed address shows the form" run 2 "looks like 0000:03:00.0" show 03:00.0x
ok "show of an absent address exits 1 with a hint" run 1 "'berth list --all'" show 03:00.0
ok "show of an absent path exits 1 with a hint" run 1 "berth list --all -o bdf,path" show PNP0A08:00/1c.0
ok "show of an unknown name exits 1" run 1 "no device 'gpu0'" show gpu0
ok "show takes one device" run 2 "one argument too many" show 03:00.0 04:00.0
ok "an unknown column is refused with the list" run 2 "the columns are bdf,path,class" list -o bdf,speed
ok "-o wants a value" run 2 "wants a value" list -o
ok "list takes no device" run 2 "'berth show 03:00.0'" list 03:00.0
ok "--dot and --json exclude each other" run 2 "exclude each other" topology --dot --json
for verb in list show groups doctor topology completion; do
    ok "$verb refuses an unknown option" run 2 "" $verb --frobnicate
    ok "$verb --help says how to use it" run 0 "Usage: berth $verb" $verb --help
done

ok "help is in groups, and begins with the first three commands" run 0 "New here? 'berth doctor'" help
ok "a verb that does not exist is usage, with the one that may be meant" run 2 "there is no verb 'assgin'; did you mean 'assign'? 'berth help' lists them" assgin
ok "also for help" run 2 "berth help: there is no verb 'frobnicate'; 'berth help' lists them" help frobnicate
ok "an option in the place of the verb" run 2 "a verb comes before '--json'" --json
ok "version takes nothing" run 2 "'x' is one argument too many" version x
ok "assign without a device says where devices are" run 2 "which device? 'berth list' shows them" assign --vm t1 --dry-run
ok "bind takes one device" run 2 "it takes one device, not 2" bind 01:00.0 02:00.0 --dry-run
ok "a name that the policy does not have" run 1 "there is no pool \"x\" in the policy; 'berth policy show' lists" assign pool:x --vm t1 --dry-run
ok "a VM that owns nothing" run 1 "VM t1 owns no device; 'berth status' says who owns what" release --vm t1 --dry-run
ok "an end that has passed" run 2 "is no moment; write" renew --vm t1 --until 1999 --dry-run

ok "completion knows bash only" run 2 "only for bash" completion fish
mkdir "$tmp/bin" && ln -s "$berth" "$tmp/bin/berth"
complete_line() { # LINE: what the shell would offer, one per line
    PATH=$tmp/bin:$PATH bash -c '
        source <(berth completion bash)
        COMP_LINE=$1 COMP_POINT=${#1}
        _berth
        printf "%s\n" "${COMPREPLY[@]}"' - "$1"
}
offers() { # LINE WORD
    complete_line "$1" | grep -qxF -- "$2"
}
ok "completion offers verbs" offers "berth do" doctor
ok "completion offers every verb after the name" offers "berth " topology
ok "completion offers the options of a verb" offers "berth list --" --all
unset BERTH_ROOT
if [ -n "$("$berth" list -o bdf 2>/dev/null)" ]; then
    first=$("$berth" list -o bdf 2>/dev/null | sed -n 2p)
    ok "completion offers devices, less what bash holds for done" offers "berth show ${first%.*}" "${first##*:}"
fi

echo "$pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]

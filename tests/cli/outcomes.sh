#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the changing verbs say with --json, and berth status after them, on the small host of berth-fake.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BERTH_BUILD:=build/gcc}"
berth=$(realpath "$BERTH_BUILD/tests/kill/berth-fake")
pass=0 fail=0
GPU=0000:01:00.0 VF=0000:02:10.0 NVME=0000:03:00.0

ok() { # NAME COMMAND…
    local name=$1
    shift
    if "$@"; then pass=$((pass + 1)) && echo "ok - $name"; else fail=$((fail + 1)) && echo "not ok - $name"; fi
}

tmp=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)") || exit 1 # in memory: each verb syncs its ledger many times
trap 'rm -rf "$tmp"' EXIT
export BERTH_ROOT=$tmp/host
unset BERTH_STATE BERTH_ETC BERTH_LIB BERTH_RUN
mkdir "$tmp/host" && "$berth" fake-host "$tmp/host" || exit 1

json() { # STATUS EXPRESSION VERB…: exit status, and of the JSON in d, whose device BDF is dev("BDF")
    local want=$1 expression=$2
    shift 2
    "$berth" "$@" >"$tmp/out" 2>"$tmp/err"
    local got=$?
    [ $got -eq "$want" ] && python3 -c 'import json, sys
d = json.load(sys.stdin)
def dev(bdf):
    return next(x for x in d["devices"] if x["bdf"] == bdf)
sys.exit(not eval(sys.argv[1]))' "$expression" <"$tmp/out" && return
    echo "    berth $*: exit status $got, said:"
    sed 's/^/    /' "$tmp/out" "$tmp/err"
    return 1
}

json_as_itself() ( # who waits must be in /proc, which that host has to itself
    printf '#!/bin/sh\nln -s /proc/$$ "$BERTH_ROOT/proc/$$"; exec "%s" "$@"\n' "$berth" >"$tmp/berth"
    chmod +x "$tmp/berth"
    berth=$tmp/berth
    json "$@"
)

says() { # WORDS: the last verb, on standard error
    grep -qF -- "$1" "$tmp/err" && return
    sed 's/^/    /' "$tmp/err"
    return 1
}

keys='list(d) == ["verb", "outcome", "error", "dry_run", "vm", "devices", "messages"]'
ok "assign --dry-run has the keys of an outcome, and changes nothing" json 0 "$keys and d['dry_run'] and d['outcome'] == 'done' and dev('$GPU')['driver'] == 'bochs-drm' and len(d['messages']) > 2" assign $GPU --vm t1 --dry-run --json
ok "assign tells before and after, of the whole group" json 0 "$keys and len(d['devices']) == 2 and dev('$GPU')['before'] == {'driver': 'bochs-drm', 'state': 'host', 'owner': None} and dev('0000:01:00.1')['owner'] == 't1' and dev('$GPU')['lease_end'] > '2026' and dev('$GPU')['on_expiry'] == 'shutdown'" assign $GPU --vm t1 --for 1h --on-expiry shutdown --json
ok "what another VM owns is refused, and whose it is" json 3 "d['outcome'] == 'refused' and 't1' in d['error'] and dev('$GPU')['owner'] == 't1' and dev('$GPU')['before']['owner'] == 't1'" assign $GPU --vm t2 --json
ok "the error stands on standard error, too" says "berth assign: "
ok "a device that is not there is a failure" json 1 "d['outcome'] == 'failed' and 'berth list --all' in d['error'] and d['devices'] == []" assign 09:00.0 --vm t1 --json
ok "assign --wait gives up in time" json_as_itself 1 "d['outcome'] == 'failed' and 'gave up' in d['error']" assign $GPU --vm t2 --wait=1s --json
ok "assign --wait of what is free gets it" json 0 "[x['bdf'] for x in d['devices']] == ['$VF'] and dev('$VF')['owner'] == 't3'" assign $VF --vm t3 --wait --json
ok "renew without a device tells all that the VM has" json 0 "len(d['devices']) == 2 and dev('$GPU')['on_expiry'] == 'notify'" renew --vm t1 --for 2h --on-expiry notify --json
ok "status has the lease and its end, and three arrays" json 0 "list(d) == ['owned', 'queue', 'taints'] and d['owned'][0]['lease_end'] > '2026' and d['owned'][0]['free_at'] is None and d['taints'] == []" status --json
ok "taint tells the taints" json 0 "dev('$NVME')['taints'] == [{'taint': 'hw-fault', 'effect': 'no-new', 'reason': 'smoke'}] and len(d['devices']) == 1" taint $NVME hw-fault --reason smoke --json
ok "status lists taints" json 0 "[(t['bdf'], t['taint'], t['effect'], t['reason']) for t in d['taints']] == [('$NVME', 'hw-fault', 'no-new', 'smoke')]" status --json
"$berth" status >"$tmp/out" 2>"$tmp/err"
ok "also as a table" grep -qE "^$NVME hw-fault no-new .* smoke" "$tmp/out"
ok "status --queue keeps to the queue" json 0 "d == {'queue': []}" status --queue --json
ok "a tainted device is refused" json 3 "d['outcome'] == 'refused' and 'hw-fault' in d['error']" assign $NVME --vm t1 --json
ok "untaint tells that none are left" json 0 "d['verb'] == 'untaint' and dev('$NVME')['taints'] == []" untaint $NVME --json
ok "bind tells the driver" json 0 "dev('$NVME')['driver'] == 'vfio-pci' and dev('$NVME')['before']['driver'] == 'nvme'" bind $NVME --json
ok "unbind of it, too" json 0 "dev('$NVME')['driver'] is None" unbind $NVME --json
ok "release by name" json 0 "dev('$NVME')['driver'] == 'nvme' and dev('$NVME')['owner'] is None" release $NVME --json
ok "release of all that a VM owns" json 0 "len(d['devices']) == 2 and dev('$GPU')['state'] == 'host' and dev('$GPU')['before']['owner'] == 't1' and dev('$GPU')['lease_end'] is None" release --vm t1 --json
ok "release of nothing fails" json 1 "d['outcome'] == 'failed' and d['devices'] == []" release --vm t1 --json
"$berth" assign --json >"$tmp/out" 2>"$tmp/err"
ok "wrong use prints no object" test ! -s "$tmp/out"
echo "$pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]

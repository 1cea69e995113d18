#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the changing verbs say with --json, and berth status after them, on the small host of berth-fake.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BERTH_BUILD:=build/gcc}"
berth=$(realpath "$BERTH_BUILD/tests/kill/berth-fake")
pass=0 fail=0 skip=0
GPU=0000:01:00.0 VF=0000:02:10.0 NVME=0000:03:00.0

ok() { # NAME COMMAND…
    local name=$1
    shift
    if "$@"; then pass=$((pass + 1)) && echo "ok - $name"; else fail=$((fail + 1)) && echo "not ok - $name"; fi
}

if [ "$(id -u)" -ne 0 ]; then
    echo "skip - verbs that change a host are for root only"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
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

as_itself() ( # COMMAND…: # who waits must be in /proc, which that host has to itself
    printf '#!/bin/sh\nln -s /proc/$$ "$BERTH_ROOT/proc/$$"; exec "%s" "$@"\n' "$berth" >"$tmp/berth"
    chmod +x "$tmp/berth"
    berth=$tmp/berth
    "$@"
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
ok "assign --wait gives up in time" as_itself json 1 "d['outcome'] == 'failed' and 'gave up' in d['error']" assign $GPU --vm t2 --wait=1s --json
ok "assign --wait of what is free gets it" json 0 "[x['bdf'] for x in d['devices']] == ['$VF'] and dev('$VF')['owner'] == 't3'" assign $VF --vm t3 --wait --json
ok "renew without a device tells all that the VM has" json 0 "len(d['devices']) == 2 and dev('$GPU')['on_expiry'] == 'notify'" renew --vm t1 --for 2h --on-expiry notify --json
ok "status has the lease and its end, and four arrays" json 0 "list(d) == ['owned', 'queue', 'taints', 'reservations'] and d['owned'][0]['lease_end'] > '2026' and d['owned'][0]['free_at'] is None and d['taints'] == []" status --json
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

# berth run, as far as its devices; the files of that VM are enough to get there
printf '\177ELF' >"$tmp/kernel" && touch "$tmp/host/dev/kvm"
"$berth" assign $GPU --vm t1 >"$tmp/out" 2>"$tmp/err"
vm=(run --name t2 --kernel "$tmp/kernel" --memory 16M --device)
refuses() { # STATUS WORDS VERB…
    local want=$1 words=$2
    shift 2
    "$berth" "$@" >"$tmp/out" 2>"$tmp/err"
    local got=$?
    [ $got -eq "$want" ] && says "$words" && return
    echo "    berth $*: exit status $got"
    return 1
}
"$berth" "${vm[@]}" $GPU >"$tmp/out" 2>"$tmp/err"
if grep -q "must be locked for DMA" "$tmp/err"; then
    skip=3
    echo "skip - run waits for devices: this machine lets no program lock 80 MiB of memory"
else
    ok "run is refused what another VM has" refuses 3 "owned by t1" "${vm[@]}" $GPU
    ok "run --wait waits for it, and says for what" as_itself refuses 1 "VM t2 is waiting: $GPU (group 11) is owned by t1" "${vm[@]}" $GPU --wait=1s --priority 3
    ok "and gives up in time" says "gave up waiting"
fi
ok "run takes no priority but a number" refuses 2 "--priority '7x' is not a number from 0 to 999" "${vm[@]}" $GPU --priority 7x
ok "nor waits for a claim" refuses 2 "not for --claim" "${vm[@]}" $GPU --claim --wait
mkdir -p "$tmp/host/etc/policy.d"
cat >"$tmp/host/etc/policy.d/10.json" <<'END'
{ "version": 1,
  "devices": [ { "name": "disk", "match": { "pci.bdf": "0000:03:00.0" } } ],
  "protect": [ { "name": "keep", "match": { "pci.bdf": "0000:03:00.0" } } ],
  "rules": [ { "effect": "allow", "override_protect": true, "subject": { "vm": "t4" }, "resource": { "device": "disk" } } ] }
END
ok "what the policy protects is refused, with the option that lifts it" refuses 3 "--force" assign $NVME --vm t4
ok "also while it would wait" as_itself refuses 3 "--force" assign $NVME --vm t4 --wait
ok "--force and --wait go together" as_itself json 0 "dev('$NVME')['owner'] == 't4'" assign $NVME --vm t4 --wait --force --json

cat >"$tmp/host/etc/policy.d/20.json" <<'END'
{ "version": 1,
  "devices": [ { "name": "card", "match": { "pci.bdf": "0000:01:00.0" } } ],
  "rules": [ { "effect": "allow", "subject": { "vm": "t5" }, "resource": { "device": "card" } },
             { "effect": "pin", "subject": { "vm": "t6" }, "resource": { "device": "card" } } ] }
END
ok "a policy that contradicts itself is warned of, and JSON stays JSON" json 3 "d['outcome'] == 'refused'" assign $VF --vm t5 --json
ok "in one line" test "$(grep -c "berth assign: warning: the policy contradicts itself in [0-9]* place.*'berth policy check' says where" "$tmp/err")" = 1
ok "so does plan" refuses 3 "berth plan: warning: the policy contradicts itself" plan $VF --vm t5
ok "and policy explain" json 0 "'checks' in d" policy explain $VF --vm t5 --json
ok "which says so, too" says "berth policy: warning: the policy contradicts itself"
ok "what gives back does not ask the policy" json 0 "d['outcome'] == 'done'" release --vm t4 --json
ok "and is silent" test ! -s "$tmp/err"

"$berth" assign --json >"$tmp/out" 2>"$tmp/err"
ok "wrong use prints no object" test ! -s "$tmp/out"
# Somebody else's: bound to vfio-pci without berth, and open in a process of his.
theirs() {
    local dir=$BERTH_ROOT/sys/bus/pci/devices/$NVME group
    group=$(basename "$(readlink "$dir/iommu_group")")
    rm -f "$dir/driver" && ln -s "$BERTH_ROOT/sys/bus/pci/drivers/vfio-pci" "$dir/driver"
    sed -i 's/^DRIVER=.*/DRIVER=vfio-pci/' "$(realpath "$dir")/uevent"
    mkdir -p "$BERTH_ROOT/proc/900/fd" "$BERTH_ROOT/dev/vfio"
    touch "$BERTH_ROOT/dev/vfio/$group"
    echo vpp_main >"$BERTH_ROOT/proc/900/comm"
    printf 'vpp\0--file-prefix\0vpp\0' >"$BERTH_ROOT/proc/900/cmdline"
    ln -sfn "$BERTH_ROOT/dev/vfio/$group" "$BERTH_ROOT/proc/900/fd/9"
}
line() { # WORDS VERB…: one line of what it says has them all, in this order
    local words=$1
    shift
    "$berth" "$@" 2>&1 | grep -qE -- "$words"
}
theirs
ok "list: a device that another process holds is external" json 0 \
    'dev("0000:03:00.0")["state"] == "external" and dev("0000:03:00.0")["owner"] is None' list --json
ok "list: its holder is named" json 0 'dev("0000:03:00.0")["holder"] == "DPDK (file prefix vpp) (900)"' list --json
ok "list: and stands with people as its owner" line 'external +DPDK \(file prefix vpp\) \(900\)' list
ok "list: no other device has a holder" json 0 'sum(x["holder"] is not None for x in d["devices"]) == 1' list --json
ok "show: who has it open" line 'held by +vpp_main, process 900' show $NVME
ok "show: as JSON" json 0 'd["devices"][0]["holder_pid"] == 900 and "not by berth" in d["devices"][0]["note"]' show $NVME --json
rm -r "$BERTH_ROOT/proc/900"
ok "list: held by nobody, it is vfio" json 0 \
    'dev("0000:03:00.0")["state"] == "vfio" and dev("0000:03:00.0")["holder"] is None' list --json

echo "$pass passed, $fail failed, $skip skipped"
[ $fail -eq 0 ]

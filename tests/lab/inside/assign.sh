#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The part of t_assign.sh that runs in the lab host: assign.sh PART. $BERTH is the program.
part=$1
nic=0000:01:00.0 gpu=0000:02:00.0 audio=0000:02:00.1 edu=0000:03:00.0 nvme=0000:04:00.0

ok() { echo "ok - $1"; }
not_ok() {
    echo "not ok - $1"
    sed 's/^/    /' /tmp/stdout /tmp/stderr
}
berth() { "$BERTH" "$@" >/tmp/stdout 2>/tmp/stderr; }
expect() { # STATUS PATTERN WHAT VERB…: exit status, and words of the one sentence, warnings aside (or of the output, for 0)
    local want=$1 pattern=$2 what=$3 got
    shift 3
    berth "$@"
    got=$?
    if [ $got -eq "$want" ] && cat /tmp/stdout /tmp/stderr | grep -qE -e "$pattern" &&
        { [ "$want" -eq 0 ] || [ "$(grep -vc ': \(warning\|waiting\): ' /tmp/stderr)" -eq 1 ]; }; then
        ok "$what"
    else
        not_ok "$what (exit $got, wanted $want and /$pattern/)"
    fi
}
driver() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")" 2>/dev/null; }
override() { cat "/sys/bus/pci/devices/$1/driver_override"; }
has() { # BDF DRIVER OVERRIDE
    [ "$(driver "$1")" = "$2" ] && [ "$(override "$1")" = "$3" ]
}
check() { # WHAT COMMAND…
    local what=$1
    shift
    if "$@"; then ok "$what"; else not_ok "$what"; fi
}
nobody_owns() { "$BERTH" status --json | python3 -c 'import json, sys; sys.exit(len(json.load(sys.stdin)["owned"]))'; }

round_trip() { # BDF DRIVER
    expect 0 "owned by t1" "assign $1" assign "$1" --vm t1
    check "$1 is on vfio-pci" has "$1" vfio-pci vfio-pci
    expect 0 "no longer owned" "release $1" release "$1"
    check "$1 is back with '${2:-no driver}', driver_override empty" has "$1" "$2" '(null)'
}

two_at_once() {
    "$BERTH" assign $nic --vm a >/tmp/a.out 2>/tmp/a.err &
    local a=$! ra rb
    "$BERTH" assign $nic --vm b >/tmp/b.out 2>/tmp/b.err &
    local b=$!
    wait $a; ra=$?
    wait $b; rb=$?
    cat /tmp/?.err >/tmp/stderr
    if [ $ra$rb = 03 ]; then check "of two assigns b is refused, naming a" grep -q "owned by a" /tmp/b.err
    elif [ $ra$rb = 30 ]; then check "of two assigns a is refused, naming b" grep -q "owned by b" /tmp/a.err
    else not_ok "of two assigns at once one wins (exits $ra and $rb)"; fi
    expect 0 "→ igb" "the winner's is released" release $nic
}

# The ledger's rows fit the kernel: what is "assigned" is on vfio-pci, what nobody owns is with igb, anything else says that
# it was interrupted.
status_is_right() {
    "$BERTH" status --json >/tmp/stdout 2>/tmp/stderr && python3 - "$(driver $nic)" <<'PY'
import json, sys
rows = json.load(open("/tmp/stdout"))["owned"]
driver = sys.argv[1]
if not rows:
    sys.exit(driver != "igb")
row = rows[0]
if len(rows) != 1 or row["devices"] != "0000:01:00.0" or row["vm"] != "t1":
    sys.exit(1)
if row["state"] == "assigned":
    sys.exit(driver != "vfio-pci")
sys.exit(not row["note"])
PY
}
kill_at() { # SECONDS VERB…: start the verb, kill it then
    local after=$1
    shift
    "$BERTH" "$@" >/tmp/stdout 2>/tmp/stderr &
    local pid=$!
    sleep "$after"
    kill -9 $pid 2>/dev/null && killed=$((killed + 1))
    wait $pid 2>/dev/null
    # What it had under way in the kernel ends by itself; until then status says that somebody is at work.
    sleep 0.05
}
killed_at_ten_moments() {
    local bad=0
    killed=0
    for after in 0.02 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 1.0; do
        kill_at $after assign $nic --vm t1
        status_is_right || { not_ok "status after assign was killed at $after s" && bad=1; }
        berth assign $nic --vm t1 || { not_ok "assign after assign was killed at $after s" && bad=1; }
        has $nic vfio-pci vfio-pci || { not_ok "driver after assign was killed at $after s" && bad=1; }
        kill_at $after release $nic
        status_is_right || { not_ok "status after release was killed at $after s" && bad=1; }
        berth assign $nic --vm t1 || { not_ok "assign after release was killed at $after s" && bad=1; }
        berth release $nic || { not_ok "release after release was killed at $after s" && bad=1; }
        has $nic igb '(null)' || { not_ok "driver after release was killed at $after s" && bad=1; }
    done
    [ $bad -eq 0 ] && ok "assign and release killed at ten moments each ($killed of 20 died of it)"
    if [ $killed -ge 10 ]; then ok "most of them were killed before they ended"; else not_ok "only $killed were killed"; fi
    check "nobody owns anything after the kills" nobody_owns
}

leases() {
    expect 0 "then detach" "assign for two seconds" assign $nic --vm t1 --for 2s
    expect 0 "(free at|lease ended at)" "status says when it is free" status
    sleep 2.1
    expect 0 "is over: given back" "recover gives back what is over" recover
    check "$nic is back with igb" has $nic igb '(null)'
    expect 0 "owned by t1" "assign without a lease" assign $nic --vm t1
    expect 0 "it had none" "renew gives it one" renew $nic --for 1h
    expect 0 "was until" "and another end" renew --vm t1 --for 2h --on-expiry shutdown
    expect 0 "→ igb" "release" release $nic
}

wait_for() { # COMMAND…
    local until=$((SECONDS + 120))
    while [ $SECONDS -lt $until ]; do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}
row() { # VM: state of what it owns, "" nothing
    "$BERTH" status --json | python3 -c 'import json, sys
print(*[r["state"] for r in json.load(sys.stdin)["owned"] if r["vm"] == sys.argv[1]])' "$1"
}
is() { # VM STATE
    [ "$(row "$1")" = "$2" ]
}
waiting() { # VM…: who waits, in their order
    [ "$("$BERTH" status --queue --json | python3 -c 'import json, sys
print(*[e["vm"] for e in json.load(sys.stdin)["queue"]])')" = "$*" ]
}
start() { # VM OPTIONS…: a guest that waits; leaves $vm
    local name=$1
    shift
    "$BERTH" run --name "$name" --kernel build/guest/tiny-wait.elf --memory 64M --console none "$@" >/tmp/$name.out 2>/tmp/$name.err </dev/null &
    vm=$!
    check "VM $name runs" wait_for is "$name" in-use
}
ended() { # NAME PID: leaves $status
    wait "$2"
    status=$?
    cp "/tmp/$1.out" /tmp/stdout
    cp "/tmp/$1.err" /tmp/stderr
}

# Two wait for the NIC of a VM that runs, and a third changes its mind; who came later and has the larger priority is first.
waiters() {
    local first second third
    start v --device $nic
    "$BERTH" assign $nic --vm b --wait=300s >/tmp/b.out 2>/tmp/b.err &
    first=$!
    check "b waits" wait_for waiting b
    "$BERTH" assign $nic --vm gone --wait >/tmp/gone.out 2>/tmp/gone.err &
    third=$!
    check "another one waits after it" wait_for waiting b gone
    "$BERTH" assign $nic --vm c --wait=300s --priority 5 >/tmp/c.out 2>/tmp/c.err &
    second=$!
    check "c waits before them" wait_for waiting c b gone
    check "both are told for whom" grep -q "waiting: .*owned by.* v" /tmp/b.err /tmp/c.err
    kill -TERM $third
    ended gone $third
    check "who gives up takes nothing" test $status -eq 1
    check "and waits no more" waiting c b
    expect 3 "owned by v" "who does not wait is refused" assign $nic --vm d
    check "the VM is stopped" berth vm stop v
    wait $vm
    ended c $second
    check "c gets it" test $status -eq 0
    check "and nobody else" is c assigned
    check "b waits still" waiting b
    check "from one VM to the next without the host" has $nic vfio-pci vfio-pci
    expect 0 "" "c gives it back" release --vm c
    ended b $first
    check "b gets it" test $status -eq 0
    check "in its turn" is b assigned
    check "nobody waits" waiting
    expect 1 "gave up waiting: .*owned by b.*nothing was taken" "a wait that ends without it" assign $nic --vm d --wait=1s
    expect 0 "→ igb" "b gives it back" release --vm b
    check "the NIC is back" has $nic igb '(null)'
}

# The guest is stopped when its lease is over, not before, and the device goes back.
lease_of_a_vm() {
    local begin=$SECONDS
    start v --device $nic --for 10s --on-expiry shutdown
    expect 0 "was until" "renewed before the end" renew --vm v --for 25s --on-expiry shutdown
    sleep 12
    check "at the end that it had before it runs" is v in-use
    ended v $vm
    cat /tmp/stdout /tmp/stderr | sed 's/^/# /'
    echo "# VM v ended with $status after $((SECONDS - begin)) s"
    check "it ran until the new end" test $((SECONDS - begin)) -ge 25
    check "and no longer than it takes to stop it" test $((SECONDS - begin)) -lt 60
    check "with the reason" grep -q lease /tmp/stderr
    check "nobody owns it" nobody_owns
    check "the NIC is back with igb" has $nic igb '(null)'
}

tainted() {
    start v --device $nvme
    expect 0 "" "taint a device that runs" taint $nvme smells --reason "coffee"
    check "its VM keeps it" is v in-use
    check "its VM is stopped" berth vm stop v
    wait $vm
    check "back with the host" has $nvme nvme '(null)'
    expect 3 "TAINT.*smells|smells.*coffee" "nobody else gets it" assign $nvme --vm w
    expect 3 "smells" "not even who had it" run --name v --kernel build/guest/tiny-wait.elf --memory 64M --console none --device $nvme
    expect 3 "smells" "nor who waits: this is no matter of time" assign $nvme --vm w --wait=60s
    expect 0 "smells" "show says so" show $nvme
    expect 0 "" "taint, only told" taint $edu squeaks --effect report
    expect 0 "owned by w" "which keeps nobody away" assign $edu --vm w
    expect 0 "" "release" release --vm w
    expect 0 "" "untaint" untaint $nvme smells
    expect 0 "" "untaint all" untaint $edu
    expect 0 "owned by w" "then it is assigned" assign $nvme --vm w
    expect 0 "→ nvme" "and given back" release --vm w
}

# A VM that has what another one needs more, by policy, is stopped for it; and one whose device is to be evicted.
displaced() {
    local -x BERTH_ETC=/tmp/displaced
    mkdir -p $BERTH_ETC/policy.d
    cat >$BERTH_ETC/policy.d/10-claims.json <<'END'
{ "version": 1,
  "classes": [ { "name": "nic", "match": { "pci.class": "0200", "pci.is_vf": false } } ],
  "rules": [ { "effect": "allow", "subject": { "any_vm": true }, "resource": { "class": "nic" }, "preempt": "lower" } ],
  "claims": [ { "vm": "low", "priority": 1, "preemptible": true, "requests": [ { "name": "nic", "class": "nic" } ] } ] }
END
    start low --claim
    cat >$BERTH_ETC/policy.d/20-high.json <<'END'
{ "version": 1, "claims": [ { "vm": "high", "priority": 5, "requests": [ { "name": "nic", "class": "nic" } ] } ] }
END
    expect 3 "low.*--preempt" "who would have to go is named, and how to ask" assign --claim high
    check "and not asked" is low in-use
    expect 0 "low" "nor by --dry-run" assign --claim high --preempt --dry-run
    check "which changes nothing" is low in-use
    expect 0 "owned by high" "assign --preempt" assign --claim high --preempt
    cp /tmp/stderr /tmp/preempt.err
    ended low $vm
    sed 's/^/# /' /tmp/stdout /tmp/stderr /tmp/preempt.err
    check "the VM that had it says for whom it ended" grep -q high /tmp/stderr
    check "the claim has it" is high assigned
    check "and the VM nothing" is low ""
    expect 3 "owned by VM high" "nobody goes for a claim of lower priority" assign --claim low --preempt
    expect 0 "→ igb" "given back" release --vm high
    expect 3 "goes to VM high, whose claim is served first" "and a claim of higher priority comes first" assign --claim low
    BERTH_ETC=/etc/berth
    start v --device $nvme
    expect 0 "v" "taint --effect evict asks its VM" taint $nvme smells --effect evict
    ended v $vm
    sed 's/^/# /' /tmp/stdout /tmp/stderr
    check "which says why it ended" grep -q smells /tmp/stderr
    check "the drive is back with the host" has $nvme nvme '(null)'
    expect 3 "smells" "and nobody's" assign $nvme --vm w
    expect 0 "" "untaint" untaint $nvme smells
    check "nobody owns anything" nobody_owns
}

audited() {
    expect 0 "assign +t1 +$nic +host:igb +preparing +asked for" "the record says who took what, and how it was" audit --vm t1
    expect 0 "rows are as they were written" "the record is whole" audit verify
    python3 -c 'import sqlite3; c = sqlite3.connect("/var/lib/berth/ledger.db"); c.execute("UPDATE audit SET uid = 7 WHERE seq = 3"); c.commit()'
    expect 1 "row 3 was changed" "a row that was changed is named" audit verify
}

# A VM gets what its claim asks for, not the NIC that the host needs; another one is told what is missing.
claims() {
    local -x BERTH_ETC=/tmp/claims
    mkdir -p $BERTH_ETC/policy.d
    cat >$BERTH_ETC/policy.d/10-claims.json <<'END'
{ "version": 1,
  "classes": [ { "name": "nic", "match": { "pci.class": "0200", "pci.is_vf": false } },
               { "name": "disk", "match": { "pci.class": "0108" } } ],
  "rules": [ { "effect": "allow", "subject": { "any_vm": true }, "resource": { "class": ["nic", "disk"] } } ],
  "claims": [ { "vm": "t1", "priority": 5, "requests": [ { "name": "nic", "class": "nic" }, { "name": "disk", "class": "disk" } ],
                "constraints": [ { "max_distance": "PHB", "pair": ["nic", "disk"] } ] },
              { "vm": "t2", "requests": [ { "name": "disk", "class": "disk" } ] } ] }
END
    expect 0 "t1 gets $nic $nvme" "policy plan says what the claim gets" policy plan --vm t1
    expect 0 "$nic: unbind it from igb" "assign --claim, step by step" assign --claim t1 --dry-run
    expect 0 "owned by t1" "assign --claim" assign --claim t1
    check "the NIC of the claim is on vfio-pci" has $nic vfio-pci vfio-pci
    check "and the disk" has $nvme vfio-pci vfio-pci
    expect 0 "owned by t1 already" "a second time it has all of it" assign --claim t1
    expect 3 "t2 wants 1 of .disk., and may have 0 of 1, 1 OWNED; .* is owned by VM t1" "the next claim is told why not" \
        assign --claim t2
    expect 1 "no claim of VM t3" "a VM without a claim" assign --claim t3
    expect 0 "no longer owned" "release of a claim" release --vm t1
    check "the NIC of the claim is back" has $nic igb '(null)'
}

moves() {
    round_trip $nic igb
    round_trip $nvme nvme
    round_trip $edu ''
    sleep 30 </dev/snd/controlC0 &
    expect 3 "$audio.*process $! .*snd_hda_intel" "the GPU is refused while its audio is in use" assign $gpu --vm t1
    kill $!
    wait $! 2>/dev/null
    expect 0 "$audio snd_hda_intel → vfio-pci .*came along" "the GPU's audio comes along" assign $gpu --vm t1
    check "the GPU's audio is on vfio-pci" has $audio vfio-pci vfio-pci
    expect 3 "owned by t1" "another VM is refused, the owner named" assign $audio --vm t2
    expect 0 "$gpu $audio +t1 assigned" "status names both" status
    expect 0 "no longer owned" "release --vm gives all back" release --vm t1
    check "the GPU is back" has $gpu bochs-drm '(null)'
    check "its audio is back" has $audio snd_hda_intel '(null)'
    check "nobody owns anything" nobody_owns

    expect 3 "HOST_USES.*default.route" "the NIC with the default route is refused" assign 00:02.0 --vm t1
    mke2fs -q /dev/nvme0n1 && mount /dev/nvme0n1 /mnt
    expect 3 "HOST_USES.*mounted" "a mounted disk is refused" assign $nvme --vm t1
    expect 3 "HOST_USES.*mounted" "and cannot be unbound either" unbind $nvme
    umount /mnt
    sleep 30 </dev/nvme0n1 &
    expect 3 "process $! .*nvme0n1" "a disk that a process has open is refused" assign $nvme --vm t1
    kill $!
    expect 3 "bridge" "a bridge is refused" assign 00:10.0 --vm t1
    expect 1 "0000:77:00.0" "an unknown device fails" assign 77:00.0 --vm t1
    expect 2 "03:00.0x" "a malformed address is a usage error" assign 03:00.0x --vm t1
    expect 2 "--vm" "assign without --vm is a usage error" assign $nic
    setpriv --reuid 65534 --clear-groups "$BERTH" assign $nic --vm t1 >/tmp/stdout 2>/tmp/stderr
    check "without root it fails" test $? -eq 1
    setpriv --reuid 65534 --clear-groups "$BERTH" status >/tmp/stdout 2>/tmp/stderr
    check "status works for any user" test $? -eq 0
    expect 0 "1 +driver .*" "plan shows steps" plan $nic --vm t1
    check "plan changed nothing" has $nic igb '(null)'

    expect 0 "igb → vfio-pci" "bind" bind $nic
    expect 3 "berth bind" "what is bound by hand is not assigned" assign $nic --vm t1
    expect 0 "→ no driver" "unbind" unbind $nic
    expect 0 "no driver → igb" "release of what was bound by hand" release $nic

    two_at_once
    claims
    leases
    waiters
    lease_of_a_vm
    tainted
    displaced
    killed_at_ten_moments
    expect 0 "agree" "recover finds nothing left to do" recover
    audited
}

switch() {
    expect 3 "PEER.*0000:05:00.0.*e1000e" "a neighbour at work: refused, it and its driver named" assign 04:00.0 --vm t1
    expect 0 "owned by t1" "both together can be assigned" assign 04:00.0 05:00.0 --vm t1
    expect 0 "→ e1000e" "and released" release --vm t1
    check "e1000e is back" has 0000:05:00.0 e1000e '(null)'
    expect 0 "→ no driver" "the neighbour is unbound" unbind 05:00.0
    expect 3 "PEER.*owned by" "what is owned by another is as much in the way" assign 04:00.0 --vm t1
    expect 0 "→ e1000e" "the neighbour is given back" release 05:00.0
    expect 3 "HOST_USES.*console" "the console GPU is refused" assign 00:01.0 --vm t1
}

refused_for() { # CODE
    expect 3 "$1" "assign is refused: $1" assign $nic --vm t1
    expect 3 "$1" "plan says so too" plan $nic --vm t1
    check "nothing was touched" has $nic igb '(null)'
}

case $part in
vms)
    modprobe vfio-pci
    waiters
    lease_of_a_vm
    tainted
    displaced
    ;;
displaced)
    modprobe vfio-pci
    displaced
    ;;
moves) moves ;;
switch) switch ;;
no-intremap) refused_for NO_INTREMAP ;;
no-iommu) refused_for NO_IOMMU ;;
esac
dmesg | grep -E 'WARNING|BUG:|Oops' && echo "not ok - the kernel complains"
echo "# end of $part"

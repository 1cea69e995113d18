#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reset with proof, and the whole life of a device: what tenant A left in a device, tenant B never reads (with a control
# that shows that it could be read); no proof means quarantine; the host takes devices back from running VMs; devices report
# errors, vanish and come back. One boot of the lab; the same script runs inside: `t_reset.sh inside TMP`.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
. tests/lab/run_common.sh

D=/sys/bus/pci/devices
igb=0000:01:00.0 edu=0000:03:00.0 nvme=0000:04:00.0 rng=0000:05:00.0 vf=0000:01:10.0
igb_id=8086:10c9 edu_id=1234:11e8 nvme_id=1b36:0010
canary=$PWD/build/guest/canary
mark=0xca11ab1e

wait_for() { # COMMAND...
    for _ in $(seq 600); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}

json() { # FILE EXPRESSION: of Python, with d
    python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$t/$1" "$2"
}

now_ms() {
    echo $(($(date +%s%N) / 1000000))
}

# --- canaries

host_canary() { # BDF OFFSET [VALUE]: prints what is there
    "$canary" "$1" 0 "$2" ${3+"$3"} 2>&1 | sed 's/canary: //'
}

left_by_reset() { # BDF OFFSET VALUE: after a reset through sysfs, nothing else in between
    host_canary "$1" "$2" "$3" >/dev/null
    found=$(host_canary "$1" "$2")
    echo 1 >"$D/$1/reset"
    after=$(host_canary "$1" "$2")
    echo "$1 $2: $found before a reset, $after after it" >"$t/out"
}

control() {
    for at in $igb $nvme; do echo $at >$D/$at/driver/unbind; done
    left_by_reset $igb 0x5600 $mark
    ok "control: a mark in igb is found by who comes next without a reset" [ "$found" = $mark ]
    ok "control: its reset clears it" [ "$after" = 0000000000 ]
    left_by_reset $edu 0x04 $mark
    ok "control: edu's own reset leaves the mark" [ "$after" = 0x35ee54e1 ]
    left_by_reset $nvme 0x28 0xca11a000
    ok "control: a mark in NVMe is found without a reset" [ "$found" = 0xca11a000 ]
    echo "# NVMe after its own reset: $after"
    for at in $igb $nvme; do echo $at >/sys/bus/pci/drivers_probe; done
    wait_for driver $igb igb
    wait_for driver $nvme nvme
}

tenants() {
    guest leave.img --name a --device $igb --device $edu --device $nvme
    ok "tenant A ends well" [ $status -eq 0 ]
    ok "and has left its mark in igb" says out "igb canary: $mark"
    ok "in edu" says out "edu canary: 0x35ee54e1"
    ok "in edu's buffer" says out "4096 bytes came back"
    ok "in NVMe" says out "nvme canary: 0xca11a000"
    guest look.img --name b --device $igb --device $edu --device $nvme
    ok "tenant B ends well" [ $status -eq 0 ]
    ok "and finds nothing of it in igb" says out "igb canary: 0000000000"
    ok "in edu" says out "edu canary: 0000000000"
    ok "in edu's buffer" says out "edu: buffer: 00000000"
    ok "in NVMe" says out "nvme canary: 0000000000"
}

evidence() {
    for at in $igb $edu $nvme; do "$berth" show $at --json >"$t/show.$at"; done
    : >"$t/err"
    for at in $igb $edu $nvme; do json show.$at 'd["devices"][0]["last_reset"]'; done >"$t/out"
    last='(lambda r: (r["vm"], r["when"], r["method"], r["proven"], r["checked"]))(d["devices"][0]["last_reset"])'
    ok "igb: reset by FLR, with proof" \
        [ "$(json show.$igb "$last")" = "('b', 'after-use', 'flr', True, 'answers,no-dma,d0,idle,bars,config')" ]
    ok "edu: by its bus, and scrubbed" \
        [ "$(json show.$edu "$last")" = "('b', 'after-use', 'bus', True, 'answers,no-dma,d0,idle,bars,scrubbed,config')" ]
    ok "NVMe: by FLR, and scrubbed" \
        [ "$(json show.$nvme "$last")" = "('b', 'after-use', 'flr', True, 'answers,no-dma,d0,idle,bars,scrubbed,config')" ]
    "$berth" show $edu >"$t/out"
    ok "berth show says it in words" says out "after use by b: proven"
}

# --- VMs that stay

start() { # NAME ARGUMENTS...: leaves $supervisor; waits until the guest runs
    local name=$1
    shift
    rm -f "$t/$name.console"
    "$berth" run --name "$name" --kernel "$LAB_GUEST_KERNEL" --initrd "$t/wait.img" --cmdline "console=ttyS0 quiet" --memory 128M \
        --console "$t/$name.console" "$@" >"$t/$name.out" 2>"$t/$name.err" </dev/null &
    supervisor=$!
    wait_for grep -qs guest-waits "$t/$name.console" || sed 's/^/    /' "$t/$name.err"
}

ended() { # NAME: waits for its supervisor; leaves $status, and its words in $t/err
    wait $supervisor
    status=$?
    cp "$t/$1.err" "$t/err"
}

alive() {
    kill -0 $supervisor 2>/dev/null
}

# The host does COMMAND, which takes a device away from VM h; leaves $took in ms. COMMAND must come back.
taken_by() { # COMMAND...
    local begin
    begin=$(now_ms)
    timeout 60 "$@"
    took=$(($(now_ms) - begin))
    ended h
    echo "# $* took $took ms"
}

quarantine() {
    echo 1 >$D/$igb/sriov_numvfs
    wait_for test -e $D/$vf
    start h --device $vf
    ok "a virtual function runs" alive
    echo >$D/$vf/reset_method
    "$berth" vm stop h >"$t/out" 2>&1
    ended h
    ok "without a reset, the run ends with 3" [ $status -eq 3 ]
    ok "and says that the device is quarantined" says err "it is quarantined"
    "$berth" show $vf >"$t/out"
    ok "berth show says so" grep -q "state  *quarantined" "$t/out"
    ok "and why" says out "used by h, and its reset is not proven"
    ok "and what the last reset has shown" says out "after use by h: NOT PROVEN"
    try assign $vf --vm other
    ok "nobody else gets it" refused 3 "state quarantined"
    try release $vf
    ok "release tries again, and refuses" [ $status -eq 3 ]
    ok "with the way out" says err "release --unclean"
    ok "its PF is still igb's" driver $igb igb
    echo default >$D/$vf/reset_method
    try release $vf
    ok "with a reset that works it goes back" [ $status -eq 0 ]
    ok "nothing is owned" [ "$("$berth" status --json | tr -d ' \n' | grep -o '"owned":\[\]')" = '"owned":[]' ]
}

reclaim() {
    begin=$(now_ms)
    echo 0 >$D/$igb/sriov_numvfs
    alone=$(($(now_ms) - begin)) # igb takes its time
    echo 1 >$D/$igb/sriov_numvfs
    wait_for test -e $D/$vf
    start h --device $vf
    taken_by sh -c "echo 0 >$D/$igb/sriov_numvfs"
    ok "sriov_numvfs=0 under a VM takes less than two seconds more than without ($alone ms)" [ $((took - alone)) -lt 2000 ]
    ok "the VM ends, with the reason" says err "wants $vf back"
    ok "exit 1" [ $status -eq 1 ]
    power_found=$(cat $D/$igb/power/control)
    start h --device $igb
    ok "a device with a guest is in D0" [ "$(cat $D/$igb/power_state)" = D0 ]
    ok "and the host keeps it there" [ "$(cat $D/$igb/power/runtime_status)" = active ]
    taken_by sh -c "echo $igb >$D/$igb/driver/unbind"
    ok "unbind under a VM comes back within two seconds" [ $took -lt 2000 ]
    ok "the VM ends, with the reason" says err "the host wants $igb back"
    wait_for driver $igb igb
    ok "the host's driver has it again" driver $igb igb
    ok "its power control is as found" [ "$(cat $D/$igb/power/control)" = "$power_found" ]
    "$berth" show $igb --json >"$t/show"
    ok "and it was reset with proof" [ "$(json show 'd["devices"][0]["last_reset"]["proven"]')" = True ]
    ok "nothing is owned" [ "$("$berth" status --json | tr -d ' \n' | grep -o '"owned":\[\]')" = '"owned":[]' ]
}

unplug() {
    "$berth" assign $edu --vm h >"$t/out" 2>&1
    start h --device $edu
    begin=$(now_ms)
    $LAB_QMP device_del edu0
    ended h
    echo "# device_del took $(($(now_ms) - begin)) ms"
    ok "unplugging a device under a VM ends it, with the reason" grep -Eq "wants $edu back|$edu was removed" "$t/err"
    gone() { ! [ -e $D/$edu ]; }
    ok "the device is gone" wait_for gone
    "$berth" status --json >"$t/status"
    ok "its state is lost" [ "$(json status 'd["owned"][0]["state"]')" = lost ]
    try assign $edu --vm other
    ok "nobody can have it" [ $status -eq 1 ]
    $LAB_QMP '{"execute": "device_add", "arguments": {"driver": "edu", "id": "edu0", "bus": "port3", "dma_mask": 18446744073709551615}}'
    ok "it comes back" wait_for test -e $D/$edu
    "$berth" recover >"$t/out" 2>&1
    "$berth" status --json >"$t/status"
    ok "and is its VM's again" [ "$(json status 'd["owned"][0]["state"], d["owned"][0]["vm"]')" = "('assigned', 'h')" ]
    guest look.img --name h --device $edu
    ok "which can use it" [ $status -eq 0 ]
    try release $edu
    ok "and give it back" [ $status -eq 0 ]
}

# --- errors

# Of the devices that QEMU has, those of virtio can report errors: igb's and NVMe's Device Control lacks the bits that let them.
plug_rng() {
    $LAB_QMP '{"execute": "device_add", "arguments": {"driver": "virtio-rng-pci", "id": "rng0", "bus": "port5", "aer": true,
        "disable-legacy": "on", "iommu_platform": true}}'
    wait_for test -e $D/$rng
}

aer() { # NAME: of an error that it reports
    $LAB_QMP hmp "pcie_aer_inject_error rng0 $1" >/dev/null
}

errors() {
    ok "a device that reports errors" plug_rng
    start h --device $rng --on-error pause
    aer POISON_TLP
    paused() { grep -q "it is paused" "$t/h.err"; }
    ok "an uncorrectable error: the VM is paused" wait_for paused
    "$berth" vm info h --json >"$t/vm"
    vmm=$(json vm 'd["vms"][0]["vmm_pid"]')
    ok "its process is stopped" grep -q "^State:.T" "/proc/$vmm/status"
    ok "berth vm info says so" [ "$(json vm 'd["vms"][0]["state"]')" = paused ]
    try vm resume h
    ok "berth vm resume" [ $status -eq 0 ]
    ok "lets it go on" wait_for grep -q "^State:.[SR]" "/proc/$vmm/status"
    try vm resume h
    ok "once" refused 1 "VM h is not paused"
    try vm stop h
    ok "it can be stopped" [ $status -eq 0 ]
    ended h
    start h --device $rng --on-error pass
    aer COMP_TIME
    passed() { [ "$(grep -c "it goes on" "$t/h.err")" -eq "$1" ]; }
    ok "with pass, it is noted" wait_for passed 1
    ok "and the VM lives" alive
    aer MALF_TLP # fatal: the kernel resets the link below the port
    ok "a fatal one as well" wait_for passed 2
    ok "and the VM lives" alive
    try vm stop h
    ok "and ends with its device in order" [ $status -eq 0 ]
    ended h
    start h --device $rng
    aer POISON_TLP
    ended h
    ok "else, the VM ends" [ $status -eq 1 ]
    ok "with the reason" says err "$rng reported an uncorrectable error"
    ok "nothing is owned" [ "$("$berth" status --json | tr -d ' \n' | grep -o '"owned":\[\]')" = '"owned":[]' ]
}

if [ "${1-}" = inside ]; then
    t=$2
    mkdir -p "$BERTH_RUN" "$BERTH_STATE"
    dmesg -C
    control
    tenants
    evidence
    quarantine
    echo 1 >$D/$igb/sriov_numvfs
    wait_for test -e $D/$vf
    reclaim
    unplug
    errors
    complaints
    ok "the kernel has no complaint" [ ! -s "$t/out" ]
    echo "# end"
    exit 0
fi

t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
initrd leave 'echo "igb $(canary '$igb_id' 0 0x5600 '$mark')"
echo "edu $(canary '$edu_id' 0 0x04 '$mark')"
edu dma
echo "nvme $(canary '$nvme_id' 0 0x28 0xca11a000)"' --add build/guest/canary:/bin/canary --add build/guest/edu:/bin/edu
initrd look 'echo "igb $(canary '$igb_id' 0 0x5600)"
echo "edu $(canary '$edu_id' 0 0x04)"
edu peek
echo "nvme $(canary '$nvme_id' 0 0x28)"' --add build/guest/canary:/bin/canary --add build/guest/edu:/bin/edu
initrd wait 'echo guest-waits
while :; do sleep 1; done'

run_in_lab "$here/t_reset.sh"

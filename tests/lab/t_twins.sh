#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two network cards that differ in nothing but their serial numbers, and an NVMe. The host boots again with another card in front
# of them, so that their bus numbers change: policy names, by slot and by serial number, still mean the same card, and so does the
# ledger. It boots once more with the two cards swapped and the NVMe in another slot: nobody gets the wrong one, what has moved is
# reported, and assigned after "berth repin" only. Three boots with one ledger; the same script runs inside.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
. tests/lab/run_common.sh

D=/sys/bus/pci/devices
kept=/run/kept

no() {
    ! "$@"
}

wait_for() { # COMMAND...
    for _ in $(seq 200); do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}

fact() { # DEVICE KEY
    "$berth" show "$1" --json 2>/dev/null | python3 -c 'import json, sys
print(json.load(sys.stdin)["devices"][0].get(sys.argv[1], ""))' "$2" 2>/dev/null
}

serial() { # DEVICE: as policy has it
    fact "$1" serial | tr -d - | sed 's/../&-/g; s/-$//'
}

mac() { # BDF
    cat "$D/$1"/net/*/address 2>/dev/null
}

owned() {
    "$berth" status --json | python3 -c 'import json, sys
print([(r["devices"], r["vm"], r["state"]) for r in json.load(sys.stdin)["owned"]])'
}

write_policy() { # PATH SERIAL SERIAL PATH: of the left one, of both, of the disk
    cat >$kept/policy.json <<JSON
{
  "version": 1,
  "devices": [
    { "name": "left", "match": { "pci.path": "$1" }, "expect": { "serial": "$2" } },
    { "name": "right", "match": { "serial": "$3" } },
    { "name": "right-mac", "match": { "serial.mac": "52:54:00:00:06:01" } },
    { "name": "disk", "match": { "pci.path": "$4" }, "expect": { "serial.nvme": "twin-nvme" } }
  ],
  "rules": [
    { "name": "both", "effect": "allow", "subject": { "any_vm": true }, "resource": { "device": [ "left", "right", "right-mac", "disk" ] } }
  ]
}
JSON
}

shows() { # DEVICE LABEL TEXT: a line of berth show
    "$berth" show "$1" | grep -qE "^ *$2 +$3\$"
}

explains() { # DEVICE VM PATTERN…: lines of berth policy explain, each of which must be there
    local pattern
    "$berth" policy explain "$1" --vm "$2" >"$t/out" 2>"$t/err"
    for pattern in "${@:3}"; do grep -qE -- "$pattern" "$t/out" || return 1; done
}

moved() { # NAME: policy check says so
    "$berth" policy check >"$t/out" 2>"$t/err"
    grep -hE "MOVED.*\"$1\"|\"$1\" has moved" "$t/out" "$t/err" >/dev/null
}

take_policy() {
    mkdir -p /etc/berth/policy.d
    cp $kept/policy.json /etc/berth/policy.d/twins.json
}

first_boot() {
    left=0000:01:00.0 right=0000:02:00.0 disk=0000:03:00.0
    ok "two cards of one kind" [ "$(fact $left vendor_id)$(fact $left device_id)" = "$(fact $right vendor_id)$(fact $right device_id)" ]
    ok "with serial numbers" [ -n "$(fact $left serial)" -a -n "$(fact $right serial)" ]
    ok "of their own" [ "$(fact $left serial)" != "$(fact $right serial)" ]
    ok "show: the burnt-in address" shows $right serial.mac 52:54:00:00:06:01
    ok "show: for programs" [ "$(fact $right serial_mac)" = 52:54:00:00:06:01 ]
    ok "show: the serial number of PCIe" shows $left serial "$(fact $left serial)"
    ok "show: what an NVMe says" shows $disk serial.nvme twin-nvme
    ok "show: an NVMe has no address" [ "$(fact $disk serial_mac)" = None ]
    write_policy "$(fact $left path)" "$(serial $left)" "$(serial $right)" "$(fact $disk path)"
    take_policy
    ok "a name by its slot" [ "$(fact left bdf)" = $left ]
    ok "a name by its serial number" [ "$(fact right bdf)" = $right ]
    ok "a name by its burnt-in address" [ "$(fact right-mac bdf)" = $right ]
    ok "explain: the serial number that is expected, and that it is this one" explains left a '^allowed' \
        'IDENTITY_CHANGED +pass +device +left +expect'
    ok "explain: for the disk too" explains disk a '^allowed' 'IDENTITY_CHANGED +pass +device +disk +expect'
    ok "nothing has moved yet" no moved left
    modprobe vfio-pci
    try assign disk --vm d
    ok "the disk is assigned" driver $disk vfio-pci
    ok "its name is still known, whatever driver it has" [ "$(fact disk bdf)" = $disk ]
    ok "and its serial number shown" shows $disk serial.nvme twin-nvme
    try run --name d --kernel build/guest/tiny-up.elf --memory 64M --console none --device disk
    ok "and a VM runs with it" [ $status -eq 0 ]
    try release disk
    ok "and given back by its name" driver $disk nvme
    try assign right-mac --vm r
    ok "a card that is known by its burnt-in address is assigned" driver $right vfio-pci
    ok "and known still" [ "$(fact right-mac bdf)" = $right ]
    try release right-mac
    echo $right >$D/$right/driver/unbind
    ok "and without a driver" [ "$(fact right-mac bdf)" = $right ]
    echo 1 >$D/$right/remove
    echo 1 >/sys/bus/pci/rescan
    wait_for test -e $D/$right/net
    echo $right >$D/$right/driver/unbind
    ok "but not when it was out of its slot meanwhile" [ "$(fact right-mac bdf)" != $right ]
    echo $right >/sys/bus/pci/drivers_probe
    ok "until its driver has seen it" [ "$(fact right-mac bdf)" = $right ]
    try assign left --vm a
    ok "the left one is assigned" [ "$(owned)" = "[('$left', 'a', 'assigned')]" ]
    ok "the right one stays" [ "$(mac $right)" = 52:54:00:00:06:01 ]
}

moved_boot() {
    left=0000:04:00.0 right=0000:05:00.0
    take_policy
    ok "bus numbers have changed: the left one is $left" [ "$(mac $left)" = 52:54:00:00:06:00 ]
    ok "moved: the name by slot means the same card" [ "$(fact left bdf)" = $left ]
    ok "moved: the name by serial number as well" [ "$(fact right bdf)" = $right ]
    try recover
    ok "moved: recover" [ $status -eq 0 ]
    ok "moved: the same card is assigned" driver $left vfio-pci
    ok "moved: and only that" [ "$(mac $right)" = 52:54:00:00:06:01 ]
    "$berth" status >"$t/out"
    ok "moved: status shows where it is now" says out "$left"
    try release left
    ok "moved: it can be given back" [ $status -eq 0 ]
    ok "moved: to its driver" wait_for test "$(mac $left)" = 52:54:00:00:06:00
    try assign left --vm a
    ok "moved: and assigned again" [ $status -eq 0 ]
}

swapped_boot() {
    slot=0000:04:00.0 other=0000:05:00.0 disk=0000:07:00.0
    take_policy
    ok "swapped: the other card is in the left slot" [ "$(mac $slot)" = 52:54:00:00:06:01 ]
    try recover
    ok "swapped: recover" [ $status -eq 0 ]
    sed 's/^/# /' "$t/out"
    ok "swapped: what is in the slot stays with the host" [ "$(mac $slot)" = 52:54:00:00:06:01 ]
    "$berth" status --json >"$t/out"
    ok "swapped: the assignment is not for this card" grep -q '"identity-changed"' "$t/out"
    try run --name a --kernel "$LAB_GUEST_KERNEL" --memory 128M --console none --timeout 60 --device left
    ok "swapped: its VM does not get it" [ $status -ne 0 ]
    ok "swapped: nor is it bound" [ "$(mac $slot)" = 52:54:00:00:06:01 ]
    ok "swapped: the name by serial number is not for the other card" [ "$(fact right bdf)" != $other ]
    try release left
    try release $slot --unclean
    try assign left --vm b
    ok "swapped: by its slot, policy refuses another card" [ $status -eq 3 ]
    ok "swapped: with the reason" says err "its serial is $(serial $slot), not what is expected there"
    try assign $slot --vm b
    ok "swapped: by its address as well" [ $status -eq 3 ]
    ok "swapped: with that code" says err IDENTITY_CHANGED
    ok "swapped: and leaves it" [ "$(mac $slot)" = 52:54:00:00:06:01 ]
    ok "swapped: explain says what is there, and what should be" explains $slot b '^refused: IDENTITY_CHANGED' \
        "IDENTITY_CHANGED +fail +device +left +expect .* serial +$(serial $slot) "
    repinned_card
    repinned_disk
}

repinned_card() {
    ok "moved: a card in another slot is reported" moved left
    ok "moved: with the place where it is now" grep -qF "to $(fact $other path) ($other, serial $(serial $other))" "$t/out" "$t/err"
    try assign $other --vm b
    ok "moved: by its address it is not assigned either" [ $status -eq 3 ]
    try repin left --dry-run
    ok "repin: says what it would write" says out "+ \"$(fact $other path)\""
    ok "repin: dry, nothing is written" moved left
    try repin left
    ok "repin: written" [ $status -eq 0 ]
    ok "repin: it has moved no more" no moved left
    ok "repin: its name means the card in the other slot" [ "$(fact left bdf)" = $other ]
    try assign left --vm b
    ok "repin: assigned" [ "$(owned)" = "[('$other', 'b', 'assigned')]" ]
    ok "repin: and the card that took its slot stays" [ "$(mac $slot)" = 52:54:00:00:06:01 ]
    try release left
    ok "repin: and given back" wait_for test "$(mac $other)" = 52:54:00:00:06:00
    try repin left
    ok "repin: a second time: refused, it has not moved" [ $status -eq 3 ]
}

repinned_disk() {
    ok "moved: an NVMe in another slot is reported" moved disk
    try assign disk --vm d
    ok "moved: its name means nothing that is there" says err 'device "disk"'
    try assign $disk --vm d
    ok "moved: by its address no rule allows it" says err NO_RULE_ALLOWS
    ok "moved: the host keeps it" driver $disk nvme
    try repin disk
    try assign disk --vm d
    ok "repin: the NVMe is assigned" driver $disk vfio-pci
    ok "repin: its name is still known" [ "$(fact disk bdf)" = $disk ]
    try release disk
    ok "repin: the NVMe is given back" driver $disk nvme
}

if [ "${1-}" = inside ]; then
    t=$2
    mkdir -p "$BERTH_RUN" $kept
    mount -t ext4 /dev/vdb $kept || exit 1
    mkdir -p "$BERTH_STATE"
    dmesg -C
    "$3"
    complaints
    ok "$3: the kernel has no complaint" [ ! -s "$t/out" ]
    umount $kept
    echo "# end"
    exit 0
fi

t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
truncate -s 64M "$t/disk"
mkfs.ext4 -q -F "$t/disk" || exit 1
for boot in "twins first_boot" "twins-moved moved_boot" "twins-swapped swapped_boot"; do
    # shellcheck disable=SC2086
    set -- $boot
    tests/lab/lab run --topology "$1" --timeout 600 --disk "$t/disk" --out "$t/lab" -- env BERTH_BUILD="$BERTH_BUILD" \
        BERTH_RUN=/run/berth-test BERTH_STATE=$kept/state "$here/t_twins.sh" inside "$t" "$2" >"$t/log" 2>"$t/lab-err"
    lab=$?
    cat "$t/log"
    [ $lab -eq 0 ] && grep -q '^# end$' "$t/log" || {
        echo "not ok - the lab of $1 ended with status $lab" | tee -a "$t/log"
        cat "$t/lab-err"
    }
    pass=$((pass + $(grep -c '^ok ' "$t/log"))) fail=$((fail + $(grep -c '^not ok ' "$t/log")))
done
total

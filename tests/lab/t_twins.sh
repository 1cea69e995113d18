#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two network cards that differ in nothing but their serial numbers. The host boots again with another card in front of them, so
# that their bus numbers change: policy names, by slot and by serial number, still mean the same card, and so does the ledger.
# It boots once more with the two swapped: nobody gets the wrong one. Three boots with one ledger; the same script runs inside.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
. tests/lab/run_common.sh

D=/sys/bus/pci/devices
kept=/run/kept

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

write_policy() { # PATH SERIAL SERIAL: of the left one, of both
    cat >$kept/policy.json <<JSON
{
  "version": 1,
  "devices": [
    { "name": "left", "match": { "pci.path": "$1" }, "expect": { "serial": "$2" } },
    { "name": "right", "match": { "serial": "$3" } }
  ],
  "rules": [
    { "name": "both", "effect": "allow", "subject": { "any_vm": true }, "resource": { "device": [ "left", "right" ] } }
  ]
}
JSON
}

take_policy() {
    mkdir -p /etc/berth/policy.d
    cp $kept/policy.json /etc/berth/policy.d/twins.json
}

first_boot() {
    left=0000:01:00.0 right=0000:02:00.0
    ok "two cards of one kind" [ "$(fact $left vendor_id)$(fact $left device_id)" = "$(fact $right vendor_id)$(fact $right device_id)" ]
    ok "with serial numbers" [ -n "$(fact $left serial)" -a -n "$(fact $right serial)" ]
    ok "of their own" [ "$(fact $left serial)" != "$(fact $right serial)" ]
    write_policy "$(fact $left path)" "$(serial $left)" "$(serial $right)"
    take_policy
    ok "a name by its slot" [ "$(fact left bdf)" = $left ]
    ok "a name by its serial number" [ "$(fact right bdf)" = $right ]
    modprobe vfio-pci
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
    slot=0000:04:00.0 other=0000:05:00.0
    take_policy
    ok "swapped: the other card is in the left slot" [ "$(mac $slot)" = 52:54:00:00:06:01 ]
    try recover
    ok "swapped: recover" [ $status -eq 0 ]
    sed 's/^/# /' "$t/out"
    ok "swapped: what is in the slot stays with the host" [ "$(mac $slot)" = 52:54:00:00:06:01 ]
    "$berth" status --json >"$t/out"
    ok "swapped: the assignment is not for this card" grep -q '"identity-changed"' "$t/out"
    try run --name a --kernel "$LAB_GUEST_KERNEL" --memory 128M --console none --device left
    ok "swapped: its VM does not get it" [ $status -ne 0 ]
    ok "swapped: nor is it bound" [ "$(mac $slot)" = 52:54:00:00:06:01 ]
    ok "swapped: the name by serial number is not for the other card" [ "$(fact right bdf)" != $other ]
    try release left
    try release $slot --unclean
    try assign left --vm b
    ok "swapped: by its slot, policy refuses another card" [ $status -eq 3 ]
    sed 's/^/# /' "$t/err"
    ok "swapped: and leaves it" [ "$(mac $slot)" = 52:54:00:00:06:01 ]
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

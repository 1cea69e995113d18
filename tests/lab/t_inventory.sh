#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The reading verbs on real hosts: what list, show, groups, doctor and topology say in each topology of the lab.
set -u
here=$(cd "$(dirname "$0")" && pwd)

ok() { # NAME COMMAND…
    name=$1
    shift
    if "$@" >/dev/null 2>&1; then echo "ok - $topology: $name"; else echo "not ok - $topology: $name"; fi
}

is_json() { # VERB…: it is JSON, whatever the exit status
    "$berth" "$@" 2>/dev/null | python3 -m json.tool
}

verdict() { # BDF VERDICT
    [ "$("$berth" list --all -o bdf,isolation 2>/dev/null | awk -v b="0000:$1" '$1 == b { print $2 }')" = "$2" ]
}

says() { # TEXT VERB…: on stdout or stderr
    text=$1
    shift
    "$berth" "$@" 2>&1 | grep -q -- "$text"
}

exits() { # STATUS VERB…
    want=$1
    shift
    "$berth" "$@" >/dev/null 2>&1
    [ $? -eq "$want" ]
}

every_verb() {
    for verb in "list" "list --all" "show 01:00.0" groups doctor topology; do
        # shellcheck disable=SC2086
        ok "$verb --json is JSON" is_json $verb --json
    done
    ok "list exits 0" exits 0 list
    ok "groups exits 0" exits 0 groups
    ok "topology exits 0" exits 0 topology
    ok "show of a malformed address exits 2 and shows the form" says "looks like 0000:03:00.0" show 03:00.0x
    ok "show of a malformed address exits 2" exits 2 show 03:00.0x
    ok "show of an absent device exits 1" exits 1 show 7f:00.0
    ok "the root file system's carrier is known" says "root-disk\|mounted" show 00:05.0
}

in_gpu_nic() {
    ok "the GPU and its audio are multifunction" verdict 02:00.0 multifunction
    ok "and say which sibling" says "0000:02:00.1 (snd_hda_intel)" show 02:00.0
    ok "igb is isolated" verdict 01:00.0 isolated
    ok "nvme is isolated" verdict 04:00.0 isolated
    ok "edu is isolated" verdict 03:00.0 isolated
    ok "doctor finds the host fit" exits 0 doctor
    ok "doctor sees interrupt remapping" says "ok  *interrupt-remapping" doctor
    ok "nothing stands in the way of edu" says "Nothing stands in the way" show 03:00.0
    ok "the default route is known" says "default-route" show --json 00:02.0
    ok "a path finds its device" says "0000:01:00.0" show "$("$berth" list -o bdf,path | awk '$1 == "0000:01:00.0" { print $2 }')"
    ok "capabilities are read" says '"msix_vectors": 10' show --json 01:00.0
    ok "an ordinary user gets unknown, not a guess" sh -c \
        "setpriv --reuid 65534 --regid 65534 --clear-groups '$berth' list -o bdf,isolation 2>&1 | grep -q '01:00.0 unknown'"
    ok "peer-to-peer between root ports goes through the IOMMU" says \
        "01:00.0 *0000:02:00.0 *root *root port 0000:00:10.0 redirects" topology --p2p 01:00.0 02:00.0
    ok "topology --p2p --json is JSON" is_json topology --p2p --json
    ok "topology for Graphviz is a graph" sh -c "'$berth' topology --dot | grep -q '^graph pcie {'"
    mkfs.ext4 -q /dev/nvme0n1 && mount /dev/nvme0n1 /mnt
    ok "a mounted disk is known" says "fail  *mounted .*0000:04:00.0 carries /mnt" show 04:00.0
    umount /mnt
    mkswap /dev/nvme0n1 >/dev/null && swapon /dev/nvme0n1
    ok "swap is known" says "fail  *swap" show 04:00.0
    swapoff /dev/nvme0n1
    exec 9</dev/dri/card0
    ok "a process with the GPU open is known" says "is open in process .* as /dev/dri/card" show \
        "$(basename "$(readlink -f /sys/class/drm/card0/device)")"
    exec 9<&-
    echo 2 >/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs
    sleep 1
    ok "virtual functions hold their PF" says "vfs-enabled" show 01:00.0
    ok "virtual functions have their PF's path" says '#vf1' list --all -o bdf,path
    ok "virtual functions are isolated" verdict 01:10.0 isolated
}

in_switch() {
    ok "below a switch without ACS: shared" verdict 04:00.0 shared
    ok "and the port is named" says "port 0000:03:00.0 has no ACS" show 04:00.0
    ok "the other slot too" says "port 0000:03:01.0 has no ACS" show 05:00.0
    ok "igb on its own root port stays isolated" verdict 01:00.0 isolated
    ok "doctor warns of both" says "0000:05:00.0 shared" doctor
    ok "topology puts them below the switch" says "0000:05:00.0" topology
    ok "peer-to-peer below a switch without ACS goes past the IOMMU" says \
        "04:00.0 *0000:05:00.0 *direct *switch port 0000:03:00.0 has no ACS" topology --p2p 04:00.0 05:00.0
}

in_no_iommu() {
    ok "no verdict but no-iommu" verdict 01:00.0 no-iommu
    ok "list says so" says "no IOMMU is on" list
    ok "doctor fails" exits 1 doctor
    ok "doctor says what to do" says "intel_iommu=on\|AMD-Vi" doctor
    ok "groups --json is empty" says '"groups": \[\]' groups --json
}

in_no_intremap() {
    ok "devices are isolated" verdict 01:00.0 isolated
    ok "doctor fails" exits 1 doctor
    ok "doctor names interrupt remapping" says "fail  *interrupt-remapping  *off" doctor
    ok "show does, too" says "interrupt remapping is off" show 01:00.0
}

if [ "${1:-}" = inside ]; then
    topology=$LAB_TOPOLOGY berth=$2
    every_verb
    "in_$(echo "$topology" | tr - _)"
    exit 0
fi

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
for topology in gpu-nic switch no-iommu no-intremap; do
    "$here/lab" run --topology $topology --timeout 900 -- "$here/t_inventory.sh" inside "$BERTH_BUILD/berth" >>"$log" 2>&1 ||
        echo "not ok - $topology: the lab run ends well ($?)" >>"$log"
done
cat "$log"
pass=$(grep -c '^ok - ' "$log")
fail=$(grep -c '^not ok - ' "$log")
[ $((pass + fail)) -ge 86 ] || { echo "not ok - all checks ran ($pass passed)"; fail=$((fail + 1)); }
echo "$pass passed, $fail failed, 0 skipped"
[ "$fail" -eq 0 ]

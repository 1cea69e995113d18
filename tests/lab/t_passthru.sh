#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The passthrough path on real VFIO and KVM, without manager and supervisor (tests/lab/host/vfio_vm.c): resets with proof;
# one guest with a NIC, a compute device, a disk and a GPU of two functions, driven by the guest's own drivers. All of it over
# type1 and over iommufd.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
pci=/sys/bus/pci/devices

. "$here/kernels.sh"

ok() { # NAME COMMAND…
    name=$1
    shift
    if "$@" >/dev/null; then echo "ok - $how: $name"; else echo "not ok - $how: $name"; fi
}

bind() { # BDF…: to vfio-pci, by hand
    for b; do
        echo vfio-pci >"$pci/0000:$b/driver_override"
        [ -e "$pci/0000:$b/driver" ] && echo "0000:$b" >"$pci/0000:$b/driver/unbind"
        echo "0000:$b" >/sys/bus/pci/drivers_probe
    done
}

proven() { # TEXT NUMBER: so many resets proven in $out, with TEXT
    [ "$(grep -c "proven: .*$1" "$out")" -eq "$2" ]
}

# What opening a function without vfio-pci says
unbound() {
    case $how in
    type1) echo "no function of it is bound to vfio-pci" ;;
    iommufd) echo "0000:01:00.0 has no VFIO character device" ;;
    esac
}

# What only the kernel with iommufd has: both interfaces
both() {
    "${vm%% *}" 03:00.0 >"$out"
    ok "is chosen when nothing is said" grep -qx "vfio_vm: by iommufd" "$out"
    "${vm%% *}" --iommu type1 03:00.0 >"$out"
    ok "type1 can be forced" grep -qx "vfio_vm: by type1" "$out"
    ok "and resets with proof" proven "reset.*answers, bus mastering off, D0" 2
    sleep 60 3<>"/dev/vfio/$(basename "$(readlink $pci/0000:03:00.0/iommu_group)")" &
    sleep 1
    $vm 03:00.0 >"$out"
    ok "a group that another process holds is refused" grep -q "another process holds the function or its group" "$out"
    kill $!
    wait $! 2>/dev/null
}

inside() {
    how=$3 vm="$1 --iommu $3" initrd=$2
    out=$(mktemp)
    all="01:00.0 02:00.0 02:00.1 03:00.0 04:00.0"
    modprobe vfio-pci
    bind 02:00.0
    $vm 02:00.0 >"$out"
    ok "a group with a host driver in it is refused, and the driver named" \
        grep -q "not viable: it also holds 0000:02:00.1, bound to snd_hda_intel" "$out"
    # shellcheck disable=SC2086
    bind $all
    ulimit -l unlimited
    $vm 01:00.0 03:00.0 >"$out"
    ok "functions are reset at open and by themselves, with proof" proven "reset.*answers, bus mastering off, D0" 4
    $vm 02:00.0 02:00.1 >"$out"
    ok "a GPU without FLR is reset by its bus, both functions, with proof" proven "bus reset, answers" 4
    echo 0000:01:00.0 >$pci/0000:01:00.0/driver/unbind
    $vm 01:00.0 >"$out" 2>&1
    ok "a function without vfio-pci is refused in words" grep -q "$(unbound)" "$out"
    bind 01:00.0
    [ "$how" = iommufd ] && both
    # shellcheck disable=SC2086
    timeout 200 $vm -k "$LAB_GUEST_KERNEL" -i "$initrd" -m 256 $all >"$out" 2>&1
    grep -E '^(not )?ok - ' "$out" | sed "s/ok - /ok - $how: /" | grep . || cat "$out"
    ok "the guest runs its checks and powers off" grep -q "vfio_vm: the guest powered off" "$out"
    ok "all five functions are reset afterwards, with proof" [ "$(grep -c 'reset after: proven' "$out")" -eq 5 ]
    # shellcheck disable=SC2086
    (ulimit -l 65536 && setpriv --bounding-set -all --inh-caps -all $vm -k "$LAB_GUEST_KERNEL" -i "$initrd" -m 256 \
        03:00.0) >"$out" 2>&1
    ok "too little lockable memory is refused with both numbers" grep -q "bytes in all must be locked.*limit is 67108864" "$out"
    dmesg | grep -E 'DMAR:.*fault|BUG|WARNING|Call Trace' && echo "not ok - $how: the host kernel complains"
    grep -q 'not ok' "$out" && cat "$out"
    exit 0
}

[ "${1:-}" = inside ] && { shift; inside "$@"; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$here/guest-initrd" --kernel-modules igb,nvme,bochs,snd-hda-intel,snd-hda-codec-generic,uio_pci_generic \
    --add "$top/build/guest/edu:/bin/edu" --run "$here/guest-passthru.sh" -o "$tmp/initrd" || exit 1
over() { # INTERFACE KERNEL NUMBER: so many checks at least
    "$here/lab" run --kernel "$2" --timeout 900 --out "$tmp/out" -- "$here/t_passthru.sh" inside \
        "$BERTH_BUILD/lab/vfio_vm" "$tmp/initrd" "$1" >"$tmp/log" 2>&1 || echo "not ok - $1: the lab run ends well ($?)" >>"$tmp/log"
    cat "$tmp/log"
    ran=$(grep -c '^ok - ' "$tmp/log")
    pass=$((pass + ran))
    fail=$((fail + $(grep -c '^not ok - ' "$tmp/log")))
    [ "$ran" -ge "$3" ] || { echo "not ok - $1: all checks ran ($ran passed)"; fail=$((fail + 1)); }
}

pass=0 fail=0 skip=0
over type1 stock 29
if have_iommufd 33; then over iommufd iommufd 33; else skip=33; fi
echo "$pass passed, $fail failed, $skip skipped"
[ "$fail" -eq 0 ]

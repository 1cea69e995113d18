#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One NIC, given to a guest whose driver uses INTx and MSI-X in turn; over type1 and over iommufd.
set -u
here=$(cd "$(dirname "$0")" && pwd)
pci=/sys/bus/pci/devices
. "$here/kernels.sh"

inside() {
    vm=$1 initrd=$2 how=$3
    modprobe vfio-pci
    echo vfio-pci >$pci/0000:05:00.0/driver_override
    echo 0000:05:00.0 >$pci/0000:05:00.0/driver/unbind
    echo 0000:05:00.0 >/sys/bus/pci/drivers_probe
    ulimit -l unlimited
    timeout 250 "$vm" --iommu "$how" -k "$LAB_GUEST_KERNEL" -i "$initrd" -m 256 05:00.0 2>&1
}

[ "${1:-}" = inside ] && { shift; inside "$@"; exit; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$here/guest-initrd" --kernel-modules e1000e --run "$here/guest-irq-modes.sh" -o "$tmp/initrd" || exit 1
over() { # INTERFACE KERNEL
    "$here/lab" run --kernel "$2" --topology switch --timeout 900 -- "$here/t_irq_modes.sh" inside \
        "$BERTH_BUILD/lab/vfio_vm" "$tmp/initrd" "$1" >"$tmp/log" 2>&1 || echo "not ok - the lab run ends well ($?)" >>"$tmp/log"
    sed -i "s/^\(not \)\?ok - /&$1: /" "$tmp/log"
    if grep -q '^not ok - ' "$tmp/log"; then cat "$tmp/log"; else grep '^ok - ' "$tmp/log"; fi
    ran=$(grep -c '^ok - ' "$tmp/log")
    pass=$((pass + ran))
    fail=$((fail + $(grep -c '^not ok - ' "$tmp/log")))
    [ "$ran" -ge 15 ] || { cat "$tmp/log"; echo "not ok - $1: all checks ran ($ran passed)"; fail=$((fail + 1)); }
}

pass=0 fail=0 skip=0
over type1 stock
if have_iommufd 15; then over iommufd iommufd; else skip=15; fi
echo "$pass passed, $fail failed, $skip skipped"
[ "$fail" -eq 0 ]

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One NIC, given to a guest whose driver uses INTx and MSI-X in turn.
set -u
here=$(cd "$(dirname "$0")" && pwd)
pci=/sys/bus/pci/devices

inside() {
    vm=$1 initrd=$2
    modprobe vfio-pci
    echo vfio-pci >$pci/0000:05:00.0/driver_override
    echo 0000:05:00.0 >$pci/0000:05:00.0/driver/unbind
    echo 0000:05:00.0 >/sys/bus/pci/drivers_probe
    ulimit -l unlimited
    timeout 250 "$vm" -k "$LAB_GUEST_KERNEL" -i "$initrd" -m 256 05:00.0 2>&1
}

[ "${1:-}" = inside ] && { shift; inside "$@"; exit; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$here/guest-initrd" --kernel-modules e1000e --run "$here/guest-irq-modes.sh" -o "$tmp/initrd" || exit 1
"$here/lab" run --topology switch --timeout 900 -- "$here/t_irq_modes.sh" inside "$BERTH_BUILD/lab/vfio_vm" "$tmp/initrd" \
    >"$tmp/log" 2>&1 || echo "not ok - the lab run ends well ($?)" >>"$tmp/log"
if grep -q '^not ok - ' "$tmp/log"; then cat "$tmp/log"; else grep '^ok - ' "$tmp/log"; fi
pass=$(grep -c '^ok - ' "$tmp/log")
fail=$(grep -c '^not ok - ' "$tmp/log")
[ "$pass" -ge 15 ] || { cat "$tmp/log"; echo "not ok - all checks ran ($pass passed)"; fail=$((fail + 1)); }
echo "$pass passed, $fail failed, 0 skipped"
[ "$fail" -eq 0 ]

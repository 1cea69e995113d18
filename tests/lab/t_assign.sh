#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Devices between host and VM on real VFIO: assign, release, bind, status, recover; what is refused; two at once; killed at
# any moment. Three boots: the default host, one with a switch without ACS, one without interrupt remapping, one without IOMMU.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BERTH_BUILD:=$PWD/build/gcc}"
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT

in_lab() { # TOPOLOGY PART [LAB OPTIONS…]
    local topology=$1 part=$2
    shift 2
    tests/lab/lab run --topology "$topology" --timeout 900 "$@" -- \
        env BERTH="$BERTH_BUILD/berth" bash tests/lab/inside/assign.sh "$part" 2>&1 | tee -a "$out"
    [ "${PIPESTATUS[0]}" -eq 0 ] || echo "not ok - the lab run of $part ended with an error" | tee -a "$out"
}

in_lab gpu-nic moves
in_lab switch switch --append console=tty0
in_lab no-intremap no-intremap
in_lab no-iommu no-iommu

pass=$(grep -c '^ok - ' "$out")
fail=$(grep -c '^not ok - ' "$out")
# Each part ends with a line of its own: one that broke off must not look like success.
[ "$(grep -c '^# end of ' "$out")" -eq 4 ] || { echo "not ok - a part broke off" && fail=$((fail + 1)); }
echo "$pass passed, $fail failed, 0 skipped"
[ "$fail" -eq 0 ]

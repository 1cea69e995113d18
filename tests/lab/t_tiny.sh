#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Guests without an operating system (tests/lab/guest/tiny), one property of passthrough each, on real KVM and VFIO. One boot of
# the lab for each I/O address space interface: type1, and iommufd when its kernel is built (make lab-kernel).
# The same script runs inside: `t_tiny.sh inside TMP BACKEND`.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
. "$here/run_common.sh"

tiny() { # GUEST DEVICE…: leaves $status, $t/out and $t/err, and prints what the guest said
    name=$1
    shift
    devices=()
    for d in "$@"; do devices+=(--device "$d"); done
    try run --name "tiny-$name" --kernel "build/guest/tiny-$name.elf" --memory 64M --timeout 200 "${devices[@]}"
    tr -d '\r' <"$t/out" | sed -n "s/^\(not \)\{0,1\}ok - /&$backend: /p"
    ok "$backend: tiny-$name ran to its end" ran_to_end
}

ran_to_end() { [ "$status" -eq 0 ] && says out "# end"; }

# The IOMMU's tables in debugfs hold no mapping of the BAR's places; the kernel is quiet.
dmar_faults() { dmesg | grep -c 'DMAR: \[DMA .*03:00.0.* fault addr'; }

inside() {
    mkdir -p "$BERTH_RUN" "$BERTH_STATE"
    edu=0000:03:00.0 igb=0000:01:00.0
    tiny bar-move $edu
    tiny decode $edu
    tiny intx $edu
    tiny msi $edu
    tiny msix $igb
    complaints
    ok "$backend: the host's kernel has no complaint" [ ! -s "$t/out" ]
    before=$(dmar_faults)
    tiny dma $edu
    ok "$backend: the host logged the DMA outside RAM" [ "$(dmar_faults)" -gt "$before" ]
    echo "# end"
}

if [ "${1-}" = inside ]; then
    t=$2 backend=$3
    inside
    exit
fi

t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
run_backend() { # BACKEND KERNEL
    tests/lab/lab run --kernel "$2" --timeout 900 -- env BERTH_BUILD="$BERTH_BUILD" BERTH_RUN=/run/berth-test \
        BERTH_STATE=/run/berth-state "$here/t_tiny.sh" inside "$t" "$1" >"$t/log" 2>"$t/lab-err"
    lab=$?
    if [ $lab -ne 0 ] || ! grep -q '^# end$' "$t/log"; then
        echo "not ok - $1: the lab ended with status $lab" >>"$t/log"
        cat "$t/lab-err"
    fi
    cat "$t/log" >>"$t/all"
    cat "$t/log"
}
run_backend type1 stock
if [ -e "${BERTH_LAB_CACHE:-/var/cache/berth-lab}/kernel/iommufd/bzImage" ]; then
    run_backend iommufd iommufd
    skipped=0
else
    echo "skipped - iommufd: its lab kernel is not built; make lab-kernel"
    skipped=1
fi
pass=$(grep -c '^ok ' "$t/all") fail=$(grep -c '^not ok ' "$t/all")
echo "$pass passed, $fail failed, $skipped skipped"
[ "$fail" -eq 0 ] && [ "$pass" -gt 0 ]

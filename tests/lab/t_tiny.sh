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
    try run --name "tiny-$name" --kernel "build/guest/tiny-$name.elf" --memory 64M --timeout 200 --iommu "$backend" "${devices[@]}"
    tr -d '\r' <"$t/out" | sed -n "s/^\(not \)\{0,1\}ok - /&$backend: /p"
    ok "$backend: tiny-$name ran to its end" ran_to_end
}

ran_to_end() { [ "$status" -eq 0 ] && says out "# end"; }

# The IOMMU's tables in debugfs hold no mapping of the BAR's places; the kernel is quiet.
dmar_faults() { dmesg | grep -c 'DMAR: \[DMA .*03:00.0.* fault addr'; }

# --- what guest RAM is made of, and where: looked at from outside while a guest waits

start_waiting() { # ARGUMENTS...: of berth run; leaves $vmm, the process
    rm -f "$t/in" && mkfifo "$t/in"
    "$berth" run --name tiny-wait --kernel build/guest/tiny-wait.elf --memory 64M --timeout 200 --device $edu "$@" \
        <"$t/in" >"$t/out" 2>"$t/err" &
    supervisor=$!
    exec 9>"$t/in"
    for _ in $(seq 600); do
        says out "# waiting" && break
        kill -0 $supervisor || break
        sleep 0.2
    done
    "$berth" vm info tiny-wait --json >"$t/info" 2>>"$t/err"
    vmm=$(sed -n 's/.*"vmm_pid": *\([0-9]*\).*/\1/p' "$t/info")
}

stop_waiting() {
    echo x >&9
    exec 9>&-
    wait $supervisor
    status=$?
}

# RAM is the only mapping of just this size; the line of it that starts with KEY, in KiB
ram_smaps() { # KEY
    awk -v key="$1:" '/^[0-9a-f]+-/ { size = 0 } $1 == "Size:" { size = $2 } size == 65536 && $1 == key { print $2; exit }' \
        "/proc/$vmm/smaps"
}

pool_free() { cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages; }

memory() {
    echo 16 >/proc/sys/vm/nr_hugepages
    try run --name tiny-wait --kernel build/guest/tiny-wait.elf --memory 64M --device $edu --hugepages 2M
    ok "too few huge pages: refused with both numbers and the command" refused 1 \
        "32 pages of 2M are needed, 16 of 16 are free; 'echo 32 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages'"
    ok "and no device was taken" [ ! -e /sys/bus/pci/devices/$edu/driver ]
    echo 32 >/proc/sys/vm/nr_hugepages
    start_waiting --hugepages 2M
    ok "huge pages: RAM is made of them" [ $(($(ram_smaps Shared_Hugetlb) + $(ram_smaps Private_Hugetlb))) -eq 65536 ]
    ok "and the pool none" [ "$(pool_free)" -eq 0 ]
    ok "berth vm info says of what pages memory is" grep -q '"hugepages": *"2M"' "$t/info"
    ok "and how long it took until the guest ran" grep -q '"ready_ms": *[1-9]' "$t/info"
    stop_waiting
    ok "the guest ends well" ran_to_end
    ok "the pages are back in the pool" [ "$(pool_free)" -eq 32 ]
    echo 0 >/proc/sys/vm/nr_hugepages
    echo madvise >/sys/kernel/mm/transparent_hugepage/enabled
    start_waiting
    ok "transparent huge pages: RAM has them" [ "$(ram_smaps AnonHugePages)" -ge 61440 ]
    stop_waiting
    start_waiting --hugepages off
    ok "no huge pages: RAM has none, and all of it is there" [ "$(ram_smaps AnonHugePages) $(ram_smaps Rss)" = "0 65536" ]
    stop_waiting
    # two nodes made of one (numa=fake=2); the emulated device does not say where it is, so we do
    echo 1 >/sys/bus/pci/devices/$edu/numa_node
    start_waiting
    ok "memory is on the node of the device" grep -q ' bind:1 .*N1=' "/proc/$vmm/numa_maps"
    ok "and all of it" [ "$(awk '/ bind:1 / && !/N0=/ && /N1=/ { n++ } END { print n + 0 }' "/proc/$vmm/numa_maps")" -ge 1 ]
    stop_waiting
    start_waiting --numa-node off
    ok "or anywhere, when told so" not_bound
    stop_waiting
    try run --name tiny-wait --kernel build/guest/tiny-wait.elf --memory 64M --numa-node 7
    ok "a node that is not there is refused" refused 1 "no NUMA node 7"
}

stopped_by_fault() { [ "$status" -eq 1 ] && says err "by DMA, which is not the VM's; the VM was stopped"; }

not_bound() { [ -r "/proc/$vmm/numa_maps" ] && ! grep -q 'bind:' "/proc/$vmm/numa_maps"; }

inside() {
    mkdir -p "$BERTH_RUN" "$BERTH_STATE"
    edu=0000:03:00.0 igb=0000:01:00.0
    [ "$backend" = type1 ] && memory
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
    ok "$backend: and so did berth run" says err "$edu tried to reach 0x"
    sleep 6 # the kernel's limit on such lines: 10 in 5 seconds
    try run --name tiny-dma --kernel build/guest/tiny-dma.elf --memory 64M --timeout 200 --iommu "$backend" --device $edu \
        --on-dma-fault stop
    ok "$backend: a VM that is to be stopped by it is" stopped_by_fault
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
    tests/lab/lab run --kernel "$2" --append numa=fake=2 --timeout 900 -- env BERTH_BUILD="$BERTH_BUILD" BERTH_RUN=/run/berth-test \
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

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# BARs on real VFIO, KVM and IOMMU: moved (BARS_MOVES times each, a thousand if there is time), also where they cannot be; peer-to-peer DMA of one device
# into another one's BAR, with and without leave, and the IOMMU's tables agreeing; option ROM; 64 and 256 GiB.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lab/run_common.sh disable=SC2154
. tests/lab/run_common.sh

modprobe_vfio() {
    [ -z "$LAB_MODULES" ] || modprobe -d "$LAB_MODULES" vfio-pci
}

show() { # the guest's own checks
    tr -d '\r' <"$t/out" | grep -E '^(not )?ok - '
}

# Does a mapping of device $1 begin at IOVA $2? The tables have page frame numbers, of large pages the first.
mapped() {
    grep -rhqi "^0x$(printf '%013x' $(($2 >> 12)))" "$tables/0000:$1"
}

at() { # WORD: the address that the guest has printed behind WORD
    tr -d '\r' <"$t/console" | sed -n "s/^$1 //p"
}

wait_for() { # WORD: in the guest's console
    for _ in $(seq 600); do
        grep -q "^$1" "$t/console" 2>/dev/null && return
        sleep 0.5
    done
    return 1
}

inside_moves() {
    modprobe_vfio
    # shellcheck disable=SC2086
    guest moves.img $all
    show
    ok "a guest moves every BAR it has, also to where none can be" [ "$status" -eq 0 ]
    guest nopeer.img --device 02:00.0 --device 03:00.0
    show
    ok "without leave nothing arrives in another device's BAR" [ "$status" -eq 0 ]
    ok "and the IOMMU says so" eval "dmesg | grep -q 'DMAR: \[DMA Write.*03:00.0'"
    guest norom.img --device 02:00.0,rom=off
    show
    ok "rom=off hides the ROM" grep -q "1234:1111: no ROM" "$t/out"
    echo "# end"
}

inside_p2p() {
    modprobe_vfio
    tables=/sys/kernel/debug/iommu/intel
    "$berth" run --name t1 --kernel "$LAB_GUEST_KERNEL" --initrd "$t/p2p.img" --cmdline "console=ttyS0 quiet" --memory 256M \
        --timeout 300 --p2p --device 02:00.0 --device 03:00.0 --console "$t/console" >"$t/out" 2>"$t/err" </dev/null &
    vm=$!
    ok "a guest with peer-to-peer DMA" wait_for "here"
    tr -d '\r' <"$t/console" | grep -E '^(not )?ok - '
    here=$(at here) gone=$(at gone)
    if [ -d "$tables/0000:03:00.0" ]; then
        ok "the IOMMU has the BAR where the guest has it ($here)" mapped 03:00.0 "$here"
        ok "and no longer where it was ($gone)" eval "! mapped 03:00.0 $gone"
        ok "and guest RAM, from its start" mapped 03:00.0 0
    fi
    ok "no BAR was lost to the other devices" [ "$(grep -c 'no peer-to-peer' "$t/err")" -eq 0 ]
    ok "it is told to stop" "$berth" vm stop t1
    ok "it ends well" wait $vm
    complaints
    ok "the host kernel has nothing to say ($(head -1 "$t/out"))" [ ! -s "$t/out" ]
    echo "# end"
}

inside_big() {
    modprobe_vfio
    guest memory.img --device 02:00.0 --device 03:00.0
    show
    ok "64 and 256 GiB of device memory in one guest" [ "$status" -eq 0 ]
    complaints
    ok "the host kernel has nothing to say ($(head -1 "$t/out"))" [ ! -s "$t/out" ]
    echo "# end"
}

if [ "${1:-}" = inside ]; then
    t=$2
    all="--device 01:00.0 --device 02:00.0 --device 03:00.0 --device 04:00.0"
    "inside_$(cat "$t/part")"
    exit 0
fi

part() { # NAME OPTIONS: one boot
    echo "$1" >"$t/part"
    LAB_OPTIONS=$2 run_in_lab tests/lab/t_bars.sh >>"$t/all"
}

here=tests/lab
# shellcheck source=tests/lab/kernels.sh
. tests/lab/kernels.sh
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
moves=${BARS_MOVES-100} # edu always a thousand
edu="--add build/guest/edu:/bin/edu" bar="--add build/guest/bar:/bin/bar"
# shellcheck disable=SC2086
{
    initrd moves "bar move 1234:11e8 1000
for d in 8086:10c9 1b36:0010 1234:1111 8086:293e; do bar move \$d $moves; done
bar rom 1234:1111" $bar
    initrd p2p 'gone=$(bar address 1234:1111 0)
edu peer $((gone + 0x200000))
bar move 1234:1111 20
bar park 1234:1111 0
edu dma
here=$(bar address 1234:1111 0)
edu peer $((here + 0x200000))
echo "gone $gone"
echo "here $here"
sleep 250' $edu $bar
    initrd nopeer 'edu nopeer $(($(bar address 1234:1111 0) + 0x200000))' $edu $bar
    initrd norom 'bar rom 1234:1111' $bar
    initrd memory 'bar memory 1af4:1110@0 2; bar memory 1af4:1110@1 2; bar memory 1af4:1110@0 2' $bar
}
part moves ""
part big "--topology big"
# Only that kernel shows the IOMMU's tables.
skip=0
if have_iommufd 3; then part p2p "--kernel iommufd"; else part p2p "" && skip=3; fi
grep -v ' passed, ' "$t/all"
pass=$(grep -c '^ok ' "$t/all") fail=$(grep -c '^not ok ' "$t/all")
echo "$pass passed, $fail failed, $skip skipped"
[ "$fail" -eq 0 ] && [ $((pass + skip)) -ge 34 ]

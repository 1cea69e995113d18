#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# BARs on real VFIO, KVM and IOMMU: moved a thousand times each, also where they cannot be; peer-to-peer DMA of one device
# into another one's BAR, with and without leave, and the IOMMU's tables agreeing; option ROM; 64 and 256 GiB.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lab/run_common.sh
. tests/lab/run_common.sh

modprobe_vfio() {
    modprobe -d "$LAB_MODULES" vfio-pci
}

show() { # the guest's own checks
    tr -d '\r' <"$t/out" | grep -E '^(not )?ok - '
}

# Is IOVA $2 mapped for device $1? The table has page frame numbers.
mapped() {
    table=/sys/kernel/debug/iommu/intel/0000:$1/domain_translation_struct
    [ -r "$table" ] || table=/sys/kernel/debug/iommu/intel/domain_translation_struct
    grep -qi "^0x$(printf '%013x' $(($2 >> 12)))" "$table"
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

inside_usual() {
    modprobe_vfio
    all="--device 01:00.0 --device 02:00.0 --device 03:00.0 --device 04:00.0"

    # shellcheck disable=SC2086
    guest moves.img --p2p $all
    show
    ok "a guest moves every BAR it has a thousand times" [ $status -eq 0 ]
    ok "no BAR was lost to the other devices" [ "$(grep -c 'no peer-to-peer' "$t/err")" -eq 0 ]

    "$berth" run --name t1 --kernel "$LAB_GUEST_KERNEL" --initrd "$t/p2p.img" --cmdline "console=ttyS0 quiet" --memory 256M \
        --timeout 300 --p2p --device 02:00.0 --device 03:00.0 --console "$t/console" >"$t/out" 2>"$t/err" </dev/null &
    vm=$!
    ok "a guest with peer-to-peer DMA" wait_for "here"
    tr -d '\r' <"$t/console" | grep -E '^(not )?ok - '
    here=$(at here) gone=$(at gone)
    ok "the IOMMU has the BAR where the guest has it ($here)" mapped 03:00.0 "$here"
    ok "and no longer where it was ($gone)" eval "! mapped 03:00.0 $gone"
    ok "and guest RAM" mapped 03:00.0 0x100000
    "$berth" vm stop t1
    wait $vm
    ok "it ends well" [ $? -eq 0 ]
    complaints
    ok "the host kernel has nothing to say ($(head -1 "$t/out"))" [ ! -s "$t/out" ]

    guest nopeer.img --device 02:00.0 --device 03:00.0
    show
    ok "without leave nothing arrives in another device's BAR" [ $status -eq 0 ]
    ok "and the IOMMU says so" eval "dmesg | grep -q 'DMAR: \[DMA Write.*03:00.0'"
    guest norom.img --device 02:00.0,rom=off
    show
    ok "rom=off hides the ROM" grep -q "1234:1111: no ROM" "$t/out"
    echo "# end"
}

inside_big() {
    modprobe_vfio
    guest memory.img --device 02:00.0 --device 03:00.0
    show
    ok "64 and 256 GiB of device memory in one guest" [ $status -eq 0 ]
    complaints
    ok "the host kernel has nothing to say ($(head -1 "$t/out"))" [ ! -s "$t/out" ]
    echo "# end"
}

if [ "${1:-}" = inside ]; then
    t=$2
    if [ "$LAB_TOPOLOGY" = big ]; then inside_big; else inside_usual; fi
    exit 0
fi

t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
edu="--add build/guest/edu:/bin/edu" bar="--add build/guest/bar:/bin/bar"
# shellcheck disable=SC2086
{
    initrd moves 'for d in 8086:10c9 1234:11e8 1b36:0010 1234:1111 8086:293e; do bar move $d 1000; done
bar rom 1234:1111' $bar
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
run_in_lab tests/lab/t_bars.sh >"$t/usual"
LAB_OPTIONS="--topology big" run_in_lab tests/lab/t_bars.sh >"$t/big"
cat "$t/usual" "$t/big" | grep -v ' passed, '
pass=$(cat "$t/usual" "$t/big" | grep -c '^ok ') fail=$(cat "$t/usual" "$t/big" | grep -c '^not ok ')
echo "$pass passed, $fail failed, 0 skipped"
[ "$fail" -eq 0 ] && [ "$pass" -ge 24 ]

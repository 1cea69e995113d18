#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every kind of device the lab has, in a guest with the guest's own drivers, by `berth run`, over each of the kernel's two
# interfaces to the IOMMU. Ends with a table: what was given, who drove it, how many checks passed over type1 and iommufd.
# `make check-devices`; needs the lab kernel with iommufd (`make lab-kernel`). Some five minutes.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lab/run_common.sh
. tests/lab/run_common.sh
here=tests/lab

# --- inside: one topology, both interfaces. The guest says "row NAME" before the checks of a device.

give() { # INTERFACE INITRD ARGUMENTS...
    local iommu=$1
    shift
    guest "$@" --iommu "$iommu"
    tr -d '\r' <"$t/out" | sed -n "s/^row /$iommu row /p; s/^\(not \)\?ok - .*/$iommu &/p"
    said $iommu "the guest ends well" [ $status -eq 0 ]
    [ $status -eq 0 ] || tail -n 5 "$t/out" "$t/err"
}

said() { # INTERFACE NAME COMMAND...: a check outside the guest, for the row above
    local iommu=$1 name=$2
    shift 2
    if "$@"; then echo "$iommu ok - $name"; else echo "$iommu not ok - $name"; fi
}

pf_is_with_the_host() { driver 0000:01:00.0 igb; }

inside() {
    modprobe vfio-pci
    modprobe iommufd
    mkdir -p "$BERTH_RUN" "$BERTH_STATE"
    case $LAB_TOPOLOGY in
    sriov) "$berth" sriov set 0000:01:00.0 --vfs 1 >/dev/null || echo "type1 not ok - a VF" ;;
    esac
    for iommu in type1 iommufd; do
        case $LAB_TOPOLOGY in
        gpu-nic)
            give $iommu usual.img --device 01:00.0 --device 02:00.0 --device 03:00.0 --device 04:00.0
            give $iommu peer-$iommu.img --p2p --device 02:00.0 --device 03:00.0
            # iommufd can map BARs since Linux 6.19; without that, the VM runs without.
            [ $iommu = type1 ] || said $iommu "what is lost is said" says err "no peer-to-peer"
            ;;
        sriov)
            give $iommu vf.img --device 01:10.0
            said $iommu "the PF stays with the host's igb" pf_is_with_the_host
            ;;
        switch) give $iommu modes.img --device 05:00.0 ;;
        big) give $iommu big.img --device 02:00.0 ;;
        esac
    done
    echo "type1 row host"
    complaints
    sed -i '/DMAR: .DMA Write.*device .03:00.0/d' "$t/out" # what was tried without leave, over iommufd
    said type1 "the host's kernel has no complaint ($(head -n 1 "$t/out"))" [ ! -s "$t/out" ]
    echo "# end"
}

if [ "${1-}" = inside ]; then
    t=$2
    inside
    exit 0
fi

# --- outside

t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
[ -e "${BERTH_LAB_CACHE:-/var/cache/berth-lab}/kernel/iommufd/bzImage" ] || {
    echo "check-devices: the lab kernel with iommufd is not built: make lab-kernel" >&2
    exit 1
}
$here/guest-initrd --kernel-modules igb,nvme,bochs,snd-hda-intel,snd-hda-codec-generic,uio_pci_generic \
    --add build/guest/edu:/bin/edu --run $here/guest-passthru.sh -o "$t/usual.img" || exit 1
for verb in type1:peer iommufd:nopeer; do
    initrd peer-${verb%:*} "echo 'row edu-to-GPU-DMA-${verb#*:} -'
edu ${verb#*:} \$((\$(bar address 1234:1111 0) + 0x200000))" --add build/guest/edu:/bin/edu --add build/guest/bar:/bin/bar || exit 1
done
$here/guest-initrd --kernel-modules e1000e --run $here/guest-irq-modes.sh -o "$t/modes.img" || exit 1
# shellcheck disable=SC2016
initrd vf 'echo "row igb-VF igbvf"
ok() { name=$1; shift; if "$@"; then echo "ok - $name"; else echo "not ok - $name"; fi; }
ok "igbvf drives the VF" [ "$(basename "$(readlink /sys/class/net/eth0/device/driver)")" = igbvf ]
ok "a MAC address from the PF" grep -qv 00:00:00:00:00:00 /sys/class/net/eth0/address
ip link set eth0 up
ok "it goes up" ip link show eth0 up' --kernel-modules igbvf || exit 1
initrd big 'echo "row ivshmem-64G -"
bar memory 1af4:1110@0 2' --add build/guest/bar:/bin/bar || exit 1

for topology in gpu-nic switch sriov big; do
    memory=4G
    [ $topology = sriov ] && memory=2G
    echo "== $topology"
    $here/lab run --topology $topology --kernel iommufd --memory $memory --timeout 900 -- env BERTH_BUILD="$BERTH_BUILD" \
        BERTH_RUN=/run/berth-test BERTH_STATE=/run/berth-state "$PWD/$here/check-devices.sh" inside "$t" >"$t/log" 2>"$t/lab-err"
    lab=$?
    if [ $lab -ne 0 ] || ! grep -q '^# end$' "$t/log"; then
        echo "type1 row lab -" >>"$t/log"
        echo "type1 not ok - the lab ended with status $lab" >>"$t/log"
        cat "$t/lab-err"
    fi
    grep -vE '^(type1|iommufd) row|^# end' "$t/log"
    cat "$t/log" >>"$t/all"
done

python3 - "$t/all" <<'PYTHON'
import sys

rows = {}
row = "guest"
rows[row] = {"driver": "-", "type1": [0, 0], "iommufd": [0, 0]}
for line in open(sys.argv[1]):
    iommu, _, rest = line.strip().partition(" ")
    if iommu not in ("type1", "iommufd"):
        continue
    if rest.startswith("row "):
        row, driver = (rest[4:].split(" ", 1) + ["-"])[:2]
        rows.setdefault(row, {"driver": driver, "type1": [0, 0], "iommufd": [0, 0]})
    else:
        rows[row][iommu][rest.startswith("not ok")] += 1
print(f"\n{'device':<26} {'driver in the guest':<26} {'type1':>12} {'iommufd':>12}")
failed = passed = 0
for name, r in rows.items():
    cells = []
    for iommu in ("type1", "iommufd"):
        good, bad = r[iommu]
        passed, failed = passed + good, failed + bad
        cells.append(f"{good} of {good + bad}" if good + bad else "-")
    if cells != ["-", "-"]:
        print(f"{name:<26} {r['driver']:<26} {cells[0]:>12} {cells[1]:>12}")
print(f"{passed} passed, {failed} failed, 0 skipped")
sys.exit(failed > 0 or passed < 60)
PYTHON

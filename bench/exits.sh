# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shared by bench/bar-exits and bench/irq-exits: count KVM's exits while a guest does something to the edu device, over type1 and,
# when its lab kernel is there (`make lab-kernel`), over iommufd. To user space go MMIO and port I/O that KVM does not answer
# itself, and signals: their sum in /sys/kernel/debug/kvm can only be too high. The lab counts instructions (--icount), so the
# figures do not depend on what else this machine does.
#
# Of each row the guest prints "begin" before, "stop" after and "end COUNT WHAT" behind that, and waits a second after each, so
# that the counters are read before it goes on. COUNT 0 is a control: what the guest needs for the words themselves and for its
# timer, which is taken off from the rows after it.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
build=${BERTH_BUILD:-$top/build/gcc}
kvm=/sys/kernel/debug/kvm

counters() {
    echo "$(cat $kvm/exits) $(($(cat $kvm/mmio_exits) + $(cat $kvm/io_exits) + $(cat $kvm/signal_exits)))"
}

exits_inside() { # VM INTERFACE KERNEL [INITRD]
    local pci=/sys/bus/pci/devices/0000:03:00.0 all user all_before='' user_before word count what base=0 worst=0 million
    local vm=$1 iommu=$2
    shift 2
    modprobe vfio-pci
    modprobe -q iommufd
    echo vfio-pci >$pci/driver_override
    echo 0000:03:00.0 >/sys/bus/pci/drivers_probe
    ulimit -l unlimited
    printf '%-8s %-40s %10s %14s %22s\n' "" "" exits "to user space" "more, per 10^6"
    while read -r word count what; do
        what=${what%$'\r'}
        case $word in
        begin*) read -r all_before user_before <<<"$(counters)" ;;
        stop*)
            read -r all user <<<"$(counters)"
            all=$((all - all_before)) user=$((user - user_before))
            ;;
        end)
            million=-
            if [ "$count" -gt 0 ]; then
                million=$(((user - base) * 1000000 / count))
                worst=$((million > worst ? million : worst))
            else
                base=$user
            fi
            printf '%-8s %-40s %10d %14d %22s\n' "$iommu" "$what" $all $user $million
            ;;
        esac
    done < <(timeout 800 "$vm" -k "${1:-$LAB_GUEST_KERNEL}" ${2:+-i "$2"} -m 256 --iommu "$iommu" 03:00.0 2>&1)
    [ "$all_before" ] && [ $worst -eq 0 ]
}

exits_main() { # KERNEL [INITRD]; KERNEL "": the lab's Linux
    local f lab="$top/tests/lab/lab run --icount --timeout 900" me="$top/bench/${0##*/}" failed=0
    for f in "$build/lab/vfio_vm" "$top/build/guest/edu"; do
        [ -x "$f" ] || { echo "${0##*/}: make labhost guest first" >&2; exit 1; }
    done
    $lab -- "$me" inside "$build/lab/vfio_vm" type1 "$@" || failed=1
    if [ -e "${BERTH_LAB_CACHE:-/var/cache/berth-lab}/kernel/iommufd/bzImage" ]; then
        $lab --kernel iommufd -- "$me" inside "$build/lab/vfio_vm" iommufd "$@" || failed=1
    else
        echo "iommufd: not measured, its lab kernel is not built (make lab-kernel)"
    fi
    exit $failed
}

[ "${1:-}" = inside ] && { shift; exits_inside "$@"; exit; }

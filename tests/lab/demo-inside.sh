#!/bin/bash
# The part of the demo that runs inside the lab; berth is on the PATH.
set -euo pipefail
gpu=02:00.0 nic=01:00.0 vm=demo

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
show() {
    printf '$ %s\n' "$*"
    "$@"
}
driver() { basename "$(readlink "/sys/bus/pci/devices/0000:$1/driver" || echo none)"; }

say "A host with a GPU and a NIC to spare. What is there, how well is each isolated, who owns it?"
show berth list

say "Is this host fit for device passthrough?"
show berth doctor

say "What would it take to give the GPU and the NIC to a VM called $vm? (changes nothing)"
show berth plan $gpu $nic --vm $vm

say "Make them the VM's own: whole IOMMU groups move to vfio-pci, and the ledger remembers how they were found."
show berth assign $gpu $nic --vm $vm
show berth status

say "Run a stock Debian kernel on them. Its own drivers, bochs and igb, drive the hardware; here is its console."
echo "\$ berth run --name $vm --kernel … --initrd … --cpus 2 --memory 512M --device $gpu --device $nic"
berth run --name $vm --kernel "$LAB_GUEST_KERNEL" --initrd "$(dirname "$0")/../../build/demo/initrd" \
    --cmdline "console=ttyS0 quiet" --cpus 2 --memory 512M --device $gpu --device $nic </dev/null |
    while IFS= read -r line; do
        line=${line%$'\r'}
        printf '    guest| %s\n' "$line"
        case $line in
        guest-exit:\ [1-9]*) exit 1 ;;
        *guest-drawn*) "$LAB_QMP" screendump gpu0 guest-screen.png >/dev/null &&
            echo "  (saved what the GPU shows: guest-screen.png)" ;;
        esac
    done

say "The guest has switched itself off. The devices were reset; they are still the VM's."
show berth status

say "Give them back: the drivers they had, as if nothing had happened."
show berth release --vm $vm
echo "NIC: $(driver $nic)   GPU: $(driver $gpu)   audio: $(driver 02:00.1)"
[ "$(driver $nic)" = igb ]
show berth status

# shellcheck shell=sh
# In the guest of t_irq_modes.sh: the same NIC with INTx, MSI and MSI-X in turn, both ways.
ok() { # NAME COMMAND…
    name=$1
    shift
    if "$@"; then echo "ok - $name"; else echo "not ok - $name"; fi
}

module=$(find /lib/modules -name 'e1000e.ko*')
for mode in '0 IO-APIC INTx' '1 PCI-MSI- MSI' '2 PCI-MSIX- MSI-X' '0 IO-APIC INTx' '2 PCI-MSIX- MSI-X' '1 PCI-MSI- MSI'; do
    # shellcheck disable=SC2086
    set -- $mode
    rmmod e1000e
    insmod "$module" "IntMode=$1"
    ok "$3: DHCP lease" udhcpc -i eth0 -n -q -t 10
    ok "$3: ping the gateway" ping -c 3 -W 10 10.0.4.2
    n=$(awk -v kind="$2" '/eth0/ && index($0, kind) { n += $2 } END { print n + 0 }' /proc/interrupts)
    ok "$3: interrupts of that kind are counted ($n)" [ "$n" -gt 3 ]
done

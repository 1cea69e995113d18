# shellcheck shell=sh
# In the guest of t_irq_modes.sh: the same NIC with INTx and MSI-X in turn, both ways, and with MSI in between: the driver
# tests that itself, and with QEMU's e1000e falls back to INTx, on the host as in a guest. (MSI that works: t_passthru.sh.)
ok() { # NAME COMMAND…
    name=$1
    shift
    if "$@"; then echo "ok - $name"; else echo "not ok - $name"; fi
}

count() { # KIND → interrupts of eth0 of that kind
    awk -v kind="$1" '/eth0/ && index($0, kind) { n += $2 } END { print n + 0 }' /proc/interrupts
}

module=$(find /lib/modules -name 'e1000e.ko*')
for mode in '0 IO-APIC INTx' '1 IO-APIC MSI-to-INTx' '2 PCI-MSIX- MSI-X' '0 IO-APIC INTx-again' '2 PCI-MSIX- MSI-X-again'; do
    # shellcheck disable=SC2086
    set -- $mode
    echo "row e1000e-$3 e1000e"
    rmmod e1000e
    insmod "$module" "IntMode=$1"
    ok "$3: DHCP lease" udhcpc -i eth0 -n -q -t 10
    before=$(count "$2")
    ok "$3: ping the gateway" ping -c 3 -W 10 10.0.4.2
    ok "$3: interrupts of that kind are counted ($(($(count "$2") - before)))" [ "$(count "$2")" -gt "$before" ]
done

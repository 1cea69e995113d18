# shellcheck shell=sh
# In the guest of t_passthru.sh and check-devices.sh: one line per check; "row NAME DRIVER" before those of a device.
ok() { # NAME COMMAND…
    name=$1
    shift
    if "$@"; then echo "ok - $name"; else echo "not ok - $name"; fi
}
driver() { # VENDOR:DEVICE → the driver's name and the address
    for d in /sys/bus/pci/devices/*; do
        read -r v <"$d/vendor"
        read -r i <"$d/device"
        [ "${v#0x}:${i#0x}" = "$1" ] && echo "$(basename "$(readlink "$d/driver" 2>/dev/null)") $(basename "$d")"
    done
}
irqs() { # NAME → how many interrupts of that kind
    awk -v name="$1" 'index($0, name) { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts
}

# --- the compute device: no driver; INTx first, MSI is aimed at the NMI
echo "row edu -"
for verb in factorial dma 'intx 50' 'msi 50' 'move 200'; do
    # shellcheck disable=SC2086
    edu $verb
done

# --- the NIC: MSI-X
echo "row igb-PF igb"
set -- $(driver 8086:10c9)
ok "igb drives the NIC" [ "$1" = igb ]
ok "DHCP lease" udhcpc -i eth0 -n -q -t 10
ok "ping the gateway" ping -c 3 -W 10 10.0.3.2
ok "MSI-X interrupts of igb are counted ($(irqs PCI-MSIX-0000:${2#0000:}))" [ "$(irqs "PCI-MSIX-$2")" -gt 3 ]

# --- the disk: MSI-X, DMA both ways
echo "row nvme nvme"
ok "nvme shows its disk" [ -b /dev/nvme0n1 ]
dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null
ok "write 8 MiB" dd if=/tmp/data of=/dev/nvme0n1 bs=1M conv=fsync
echo 3 >/proc/sys/vm/drop_caches
dd if=/dev/nvme0n1 of=/tmp/back bs=1M count=8 2>/dev/null
ok "what was written reads back" cmp /tmp/data /tmp/back
ok "MSI-X interrupts of nvme are counted ($(irqs nvme))" [ "$(irqs nvme)" -gt 3 ]

# --- the GPU: two functions, one slot
echo "row GPU+audio bochs,snd_hda_intel"
set -- $(driver 1234:1111) $(driver 8086:293e)
ok "GPU and audio share a slot ($2, $4)" [ "${2%.*}" = "${4%.*}" ]
ok "bochs drives the GPU" [ "${1#bochs}" != "$1" ]
ok "the GPU's frame buffer is there" [ -c /dev/fb0 ]
ok "snd_hda_intel drives the audio" [ "$3" = snd_hda_intel ]
for _ in $(seq 100); do # the codec is looked for in the background
    [ "$(irqs "PCI-MSI-$4")" -gt 0 ] && break
    sleep 0.2
done
ok "MSI interrupts of the audio are counted ($(irqs "PCI-MSI-$4"))" [ "$(irqs "PCI-MSI-$4")" -gt 0 ]

#!/bin/sh
# Runs in the demo's guest: a DHCP lease and a ping through the passed-through NIC, a picture on the passed-through GPU.
fail() { echo "guest: $*"; exit 1; }

for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -e /sys/class/net/eth0 ] && [ -e /dev/fb0 ] && break
    sleep 1
done
nic=$(basename "$(readlink /sys/class/net/eth0/device)") || fail "no NIC"
echo "guest: $(uname -sr), $(nproc) CPUs; $nic is driven by $(basename "$(readlink /sys/class/net/eth0/device/driver)")"
ip link set eth0 up
udhcpc -i eth0 -n -q -t 10 -T 2 || fail "no DHCP lease"
ping -c 2 -W 5 10.0.3.2 || fail "the gateway does not answer"
echo "guest: MSI-X interrupts of eth0:"
grep eth0 /proc/interrupts
echo 0 >/sys/class/vtconsole/vtcon1/bind 2>/dev/null
draw /dev/fb0 "drawn by the guest, $(uname -r)" "on a GPU that the host has given away" \
    "address by DHCP: $(ip -4 -o addr show eth0 | awk '{ print $4 }')" || fail "no picture"
echo "guest-drawn"
sleep 3

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Does the lab keep what it promises? Some two minutes. One line per check, then "N passed, N failed, N skipped".
# The same script runs inside the lab: `smoke.sh inside TOPOLOGY`.
set -u
here=$(cd "$(dirname "$0")" && pwd)
pci=/sys/bus/pci/devices

ok() { # NAME COMMAND...
    name=$1
    shift
    if "$@" >/dev/null; then
        echo "ok - $name"
    else
        echo "not ok - $name"
    fi
}

# --- inside the lab

device() { # BDF VENDOR:DEVICE DRIVER (- for none)
    [ -d "$pci/0000:$1" ] || return 1
    read -r vendor <"$pci/0000:$1/vendor"
    read -r device <"$pci/0000:$1/device"
    driver=-
    [ -e "$pci/0000:$1/driver" ] && driver=$(basename "$(readlink "$pci/0000:$1/driver")")
    [ "${vendor#0x}:${device#0x} $driver" = "$2 $3" ] || { echo "$1 is $vendor $device $driver" >&2; false; }
}

members() { # BDF: the other functions in its group
    ls "$pci/0000:$1/iommu_group/devices" | tr '\n' ' '
}

group() { # BDF MEMBERS
    [ "$(members "$1")" = "$2 " ] || { echo "group of $1: $(members "$1")" >&2; false; }
}

remapped() {
    grep -q IR- /proc/interrupts
}

not() {
    ! "$@"
}

empty_folder() {
    [ -z "$(ls "$1")" ]
}

host_things() {
    device 00:01.0 1234:1111 bochs-drm && device 00:02.0 1af4:1041 virtio-pci && device 00:03.0 1af4:1042 virtio-pci &&
        grep -q 1 $pci/0000:00:01.0/boot_vga && ip route | grep -q 'default.*mgmt0' && [ -b /dev/vda ]
}

environment() {
    [ "$HOME $(pwd) $LAB_TOPOLOGY" = "/root $here gpu-nic" ] && [ -w "$LAB_OUT" ] && [ -f "$LAB_GUEST_KERNEL" ] &&
        [ -d "$LAB_MODULES/lib/modules/$(uname -r)" ] && grep -q debugfs /proc/mounts && [ -d /sys/fs/cgroup/command ] &&
        : >/run/x && : >/dev/shm/x && : >/usr/x
}

kvm() {
    python3 -c 'import fcntl, os; fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), 0xAE01, 0)' # KVM_CREATE_VM
}

vfio() { # is the group of the edu device viable, says the kernel
    modprobe vfio-pci && modprobe -d "$LAB_MODULES" vfio_iommu_type1 || return
    echo vfio-pci >$pci/0000:03:00.0/driver_override
    echo 0000:03:00.0 >/sys/bus/pci/drivers_probe
    python3 -c 'import fcntl, os, struct, sys
group = os.open("/dev/vfio/" + sys.argv[1], os.O_RDWR)
status = fcntl.ioctl(group, 0x3B67, struct.pack("II", 8, 0)) # VFIO_GROUP_GET_STATUS
sys.exit(struct.unpack("II", status)[1] != 1)' "$(basename "$(readlink $pci/0000:03:00.0/iommu_group)")"
}

draw() { # 0x5a everywhere on the GPU's screen; the driver passes it on when it finds time
    [ "$(cat /sys/class/graphics/fb1/name)" = bochs-drmdrmfb ] || return
    echo 0 >/sys/class/graphics/fb1/blank
    # in one write: Linux loses parts of a picture that comes in pieces smaller than a line
    head -c 4096000 /dev/zero | tr '\0' '\132' | dd of=/dev/fb1 bs=4096000 iflag=fullblock 2>/dev/null
    sleep 2
    "$LAB_QMP" screendump gpu0 gpu.png && "$LAB_QMP" "{\"execute\": \"screendump\",
        \"arguments\": {\"device\": \"gpu0\", \"format\": \"ppm\", \"filename\": \"$LAB_OUT/gpu.ppm\"}}"
}

appears() { # BDF yes|no, within ten seconds
    tries=50
    while [ $tries -gt 0 ]; do
        if [ -d "$pci/0000:$1" ]; then there=yes; else there=no; fi
        [ $there = "$2" ] && return
        sleep 0.2
        tries=$((tries - 1))
    done
    return 1
}

plug() {
    "$LAB_QMP" device_add edu id=edu1 bus=port5 && appears 05:00.0 yes && device 05:00.0 1234:11e8 -
}

unplug() {
    "$LAB_QMP" device_del edu1 && appears 05:00.0 no
}

usual_devices() {
    ok "$1: igb" device 01:00.0 8086:10c9 igb
    ok "$1: GPU" device 02:00.0 1234:1111 bochs-drm
    ok "$1: its audio" device 02:00.1 8086:293e snd_hda_intel
    ok "$1: edu" device 03:00.0 1234:11e8 -
    ok "$1: nvme" device 04:00.0 1b36:0010 nvme
    ok "$1: what belongs to the host" host_things
}

inside() {
    case $1 in
    gpu-nic)
        usual_devices "$1"
        ok "$1: the GPU's two functions are one group" group 02:00.0 "0000:02:00.0 0000:02:00.1"
        ok "$1: igb is alone in its group" group 01:00.0 0000:01:00.0
        ok "$1: interrupts are remapped" remapped
        ok "$1: environment of the command" environment
        ok "$1: KVM makes a VM" kvm
        ok "$1: VFIO has a viable group" vfio
        ok "$1: screendump" draw
        ok "$1: a refused QMP request fails" not "$LAB_QMP" screendump nothing x.png 2>/dev/null
        ok "$1: hotplug" plug
        ok "$1: and unplug" unplug
        echo kept >"$LAB_OUT/kept"
        echo thrown away >"$here/thrown-away"
        ;;
    sriov)
        ok "$1: nvme" device 04:00.0 1b36:0010 nvme
        echo 3 >$pci/0000:01:00.0/sriov_numvfs
        udevadm settle
        ok "$1: third VF of igb" device 01:10.4 8086:10ca igbvf
        ok "$1: each VF is a group" group 01:10.2 0000:01:10.2
        echo 2 >$pci/0000:04:00.0/sriov_numvfs
        ok "$1: second VF of nvme" appears 04:00.2 yes
        ok "$1: udev has run" test -e /dev/disk/by-id/virtio-lab-host-disk
        ;;
    switch)
        ok "$1: edu" device 04:00.0 1234:11e8 -
        ok "$1: e1000e" device 05:00.0 8086:10d3 e1000e
        ok "$1: a device shares its group with the bridge" group 04:00.0 "0000:03:00.0 0000:04:00.0"
        ok "$1: igb does not" group 01:00.0 0000:01:00.0
        ;;
    no-iommu)
        usual_devices "$1"
        ok "$1: no IOMMU groups" empty_folder /sys/kernel/iommu_groups
        ;;
    no-intremap)
        usual_devices "$1"
        ok "$1: IOMMU groups" group 02:00.0 "0000:02:00.0 0000:02:00.1"
        ok "$1: interrupts are not remapped" not remapped
        ;;
    esac
}

# --- outside

lab() {
    "$here/lab" run "$@"
}

passes_through() {
    lab --no-drivers -- sh -c 'echo one; echo two >/dev/stderr; exit 7' >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    [ "$status $(cat "$tmp/stdout")" = "7 one" ] && grep -v '^lab: ' "$tmp/stderr" | grep -qx two
}

times_out() {
    lab --no-drivers --timeout 2 --out "$tmp/late" -- sleep 60 2>"$tmp/stderr"
    [ $? = 124 ] && grep -q 'did not end within 2 s' "$tmp/stderr" && [ -e "$tmp/late/console.log" ]
}

topology() { # NAME OPTIONS...
    name=$1
    shift
    lab --topology "$name" --out "$tmp/$name" "$@" -- "$here/smoke.sh" inside "$name" || echo "not ok - $name: ran"
}

drawn() {
    python3 - "$tmp/gpu-nic" <<END
import sys
png = open(sys.argv[1] + "/gpu.png", "rb").read()
ppm = open(sys.argv[1] + "/gpu.ppm", "rb").read()
sys.exit(png[:4] != b"\x89PNG" or ppm != b"P6\n1280 800\n255\n" + b"\x5a" * (1280 * 800 * 3))
END
}

writes_go_away() {
    [ "$(cat "$tmp/gpu-nic/kept")" = kept ] && [ ! -e "$here/thrown-away" ]
}

# On a plain emulated machine: the initrd is what is asked here, not the lab.
guest() {
    echo '[ "$(cat /etc/added)" = added ] && grep -q "^e1000e " /proc/modules && udhcpc -qni eth0 && exit 5' >"$tmp/script"
    echo added >"$tmp/added"
    "$here/guest-initrd" --kernel-modules e1000e --add "$tmp/added:/etc/added" --run "$tmp/script" -o "$tmp/guest.img" &&
        timeout 120 qemu-system-x86_64 -accel tcg -cpu max -m 512M -nodefaults -display none -no-reboot \
            -kernel "${BERTH_LAB_CACHE:-/var/cache/berth-lab}"/kernel/stock/boot/vmlinuz-* -initrd "$tmp/guest.img" \
            -append "console=ttyS0 quiet panic=-1" -serial "file:$tmp/guest.log" \
            -netdev user,id=n,restrict=on -device e1000e,netdev=n,romfile= &&
        tr -d '\r' <"$tmp/guest.log" | grep -qx 'guest-exit: 5'
}

# Three sleepers of a millisecond each beside a device whose BAR goes on and off: no timer may get lost.
timers() {
    lab --timeout 200 --no-drivers -- sh -c '
        for i in 1 2 3; do
            python3 -c "import time; [time.sleep(0.001) for i in range(5000)]" &
            sleepers="$sleepers $!"
        done
        python3 -c "
import itertools, os
fd = os.open(\"'$pci'/0000:03:00.0/config\", os.O_RDWR)
for value in itertools.cycle((0, 2)):
    os.pwrite(fd, value.to_bytes(2, \"little\"), 4)" &
        wait $sleepers'
}

virtual_time() { # a second of sleep passes at once: idle time is skipped
    lab --icount --no-drivers -- sh -c 'nproc; sleep 100' >"$tmp/stdout" && grep -qx 1 "$tmp/stdout"
}

if [ "${1:-}" = inside ]; then
    cd "$here" && inside "$2"
    exit
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP
cd "$here" || exit
{
    ok "lab run: exit status, stdout and stderr pass through" passes_through
    ok "lab run: --timeout" times_out
    ok "lab run: --icount" virtual_time
    ok "lab host: timers go on while a BAR is switched on and off" timers
    topology gpu-nic
    ok "gpu-nic: the screendump shows what was drawn" drawn
    ok "gpu-nic: writes are thrown away, except in the out folder" writes_go_away
    topology sriov --udev
    topology switch
    topology no-iommu
    topology no-intremap
    ok "guest-initrd: modules, added file, DHCP, exit status" guest
} 2>&1 | tee "$tmp/results"
passed=$(grep -c '^ok ' "$tmp/results")
failed=$(grep -c '^not ok ' "$tmp/results")
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]

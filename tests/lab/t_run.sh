#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# berth run, on real KVM and VFIO: guests without devices and with a NIC, refusals with exit status and sentence. One boot
# of the lab with Debian's kernel, and for the NIC one with iommufd. The same script runs inside: `t_run.sh inside TMP KERNEL`.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
. tests/lab/run_common.sh
. tests/lab/kernels.sh

plain() {
    guest hello.img --cpus 2
    ok "guest boots and switches itself off: exit 0" [ $status -eq 0 ]
    ok "with two CPUs" says out "guest-cpus: 2"
    ok "and 256M of memory" says out "guest-memory-ok"
    # the last --cmdline wins; the guest's reboot is a triple fault then
    guest reboot.img --cmdline "console=ttyS0 quiet reboot=triple"
    ok "triple fault: exit 1 and a sentence" [ $status -eq 1 ]
    ok "that names it" says err "triple fault"
    ok "nothing of it is left" [ "$("$berth" vm list --json | tr -d ' \n')" = '{"vms":[]}' ]
    printf '{"name": "j1", "kernel": "%s", "initrd": "reboot.img", "cmdline": "console=ttyS0 quiet", "memory": "256M"}' \
        "$LAB_GUEST_KERNEL" >"$t/vm.json"
    try run --cpus 2 --timeout 60 "$t/vm.json"
    ok "from VM.json, with an option beside it" says out "guest-cpus: 2"
    ok "guest reboots: exit 0" [ $status -eq 0 ]
}

refusals() {
    try run --name t1 --kernel /nonexistent
    ok "no kernel file" refused 1 "kernel /nonexistent: No such file or directory"
    try run --name t1 --kernel /etc/passwd
    ok "not a kernel" refused 1 "kernel /etc/passwd: not a kernel"
    try run --name t1 --kernel /dev/zero
    ok "not a file" refused 1 "/dev/zero: not a regular file"
    truncate -s 300M "$t/huge"
    guest huge
    ok "initrd larger than memory" refused 1 "do not fit into"
    try run --name t1 --kernel "$LAB_GUEST_KERNEL" --memory 0
    ok "memory 0" refused 2 "'0' is not a size"
    try run --name t1 --kernel "$LAB_GUEST_KERNEL" --memory 0M
    ok "memory 0M" refused 2 "0 bytes of memory"
    try run --name t1 --kernel "$LAB_GUEST_KERNEL" --cpus 0
    ok "no CPU" refused 2 "'0' is not a number from 1 to"
    try run --name ../x --kernel "$LAB_GUEST_KERNEL"
    ok "bad name" refused 2 "VM name '../x'"
    try run --kernel "$LAB_GUEST_KERNEL"
    ok "no name" refused 2 "has no name"
    guest hello.img --device 99:00.0
    ok "unknown device" refused 1 "99:00.0"
    guest hello.img --device 03:00.0x
    ok "malformed device: a usage error" refused 2 "03:00.0x"
    guest hello.img --device 00:03.0
    ok "device that the host stands on" refused 3 "00:03.0"
    printf '{"name": "t1",\n "memroy": "1G"}' >"$t/bad.json"
    try run "$t/bad.json"
    ok "unknown member in VM.json" refused 1 "bad.json:2:"
    try run "$t/missing.json"
    ok "no VM.json" refused 1 "missing.json"
    setpriv --reuid 65534 --regid 65534 --clear-groups "$berth" run --name t1 --kernel "$LAB_GUEST_KERNEL" >"$t/out" 2>"$t/err"
    status=$?
    ok "not root" refused 1 "needs root"
    chmod 755 "$t"
    mv /dev/kvm /dev/kvm.away
    guest hello.img
    mv /dev/kvm.away /dev/kvm
    ok "no KVM" refused 1 "/dev/kvm: No such file or directory; switch virtualisation on"
}

# In the background, beside the guest: which interface 'berth vm info' says it uses
info_of_t1() {
    for _ in $(seq 200); do
        "$berth" vm info t1 --json >"$t/info" 2>/dev/null && grep -q '"iommu": *"[a-z]' "$t/info" && return
        sleep 0.5
    done
}

uses() { # INTERFACE
    tr -d ' ' <"$t/info" | grep -q "\"iommu\":\"$1\""
}

passthrough() { # INTERFACE OPTIONS…: the one that is to be used
    how=$1
    shift
    info_of_t1 &
    guest igb.img --cpus 2 --device 01:00.0 "$@"
    wait $!
    ok "igb: over $how" uses "$how"
    ok "igb: guest ends well" [ $status -eq 0 ]
    ok "igb: its driver is bound" says out "guest-driver: igb"
    ok "igb: MSI-X interrupts are counted" says out "guest-msix-ok"
    ok "igb: DHCP lease" says out "guest-dhcp: eth0 has 10.0.3."
    ok "igb: ping of the gateway" says out "guest-ping-ok"
    ok "igb: back with the host" driver 0000:01:00.0 igb
    ok "igb: no override is left" [ "$(cat /sys/bus/pci/devices/0000:01:00.0/driver_override)" = "(null)" ]
    ok "nothing is owned" [ "$("$berth" status --json | tr -d ' \n' | grep -o '"owned":\[\]')" = '"owned":[]' ]
}

no_iommufd() {
    guest igb.img --device 01:00.0 --iommu iommufd
    ok "iommufd forced where there is none: refused, with the remedy" refused 1 "there is no /dev/iommu; load the module iommufd"
    ok "and the device is back" driver 0000:01:00.0 igb
    guest igb.img --iommu vfio
    ok "an interface that does not exist: a usage error" refused 2 "--iommu 'vfio' is not auto, type1 or iommufd"
    "$berth" doctor >"$t/out"
    ok "doctor: no iommufd" grep -q "iommufd.*does not have it" "$t/out"
}

doctor() {
    "$berth" doctor >"$t/out"
    ok "doctor: iommufd is there" grep -q "iommufd.*berth run uses" "$t/out"
}

if [ "${1-}" = inside ]; then
    t=$2
    mkdir -p "$BERTH_RUN" "$BERTH_STATE"
    if [ "$3" = iommufd ]; then
        doctor
        passthrough iommufd
        passthrough type1 --iommu type1
    else
        plain
        refusals
        no_iommufd
        passthrough type1
    fi
    complaints
    ok "the kernel has no complaint" [ ! -s "$t/out" ]
    echo "# end"
    exit 0
fi

t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
initrd hello 'echo "guest-cpus: $(nproc)"
read -r _ kb _ </proc/meminfo
[ "$kb" -gt 180000 ] && [ "$kb" -lt 262144 ] && echo guest-memory-ok'
initrd reboot 'echo "guest-cpus: $(nproc)"
reboot -f'
initrd igb 'set -- /sys/bus/pci/devices/*/net/eth0
[ -e "$1" ] && echo "guest-driver: $(basename "$(readlink "${1%/net/eth0}/driver")")"
udhcpc -qnf -i eth0
ping -c 3 -W 10 10.0.3.2 && echo guest-ping-ok
grep eth0 /proc/interrupts
grep -E "MSI-?X.*eth0" /proc/interrupts | grep -qE ": +[0-9 ]*[1-9]" && echo guest-msix-ok' --kernel-modules igb

boot_lab "$here/t_run.sh" stock
if have_iommufd 20; then boot_lab "$here/t_run.sh" iommufd; else skip=20; fi
total

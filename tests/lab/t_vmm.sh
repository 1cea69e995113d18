#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The machine itself, on real KVM and without devices: what the guest sees of processors, memory, clocks, PCI and the
# serial line, from both kinds of kernel file. Power-off, reboot, triple fault and refusals are t_run.sh's. One boot of
# the lab; the same script runs inside: `t_vmm.sh inside TMP`.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
: "${BERTH_BUILD:=$PWD/build/gcc}"

ok() { # NAME COMMAND...
    name=$1
    shift
    if "$@"; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        sed 's/^/    /' "$t/out" "$t/err" 2>/dev/null
    fi
}

says() { # TEXT
    grep -qF -- "$1" "$t/out"
}

run() { # KERNEL MEMORY CPUS: leaves $status, $t/out and $t/err
    "$BERTH_BUILD/berth" run --name vmm --kernel "$1" --initrd "$t/guest.img" --memory "$2" --cpus "$3" --timeout 150 \
        --cmdline "console=ttyS0 quiet mtrr=debug" >"$t/out" 2>"$t/err" </dev/null
    status=$?
}

if [ "${1-}" = inside ]; then
    t=$2
    mkdir -p "$BERTH_RUN" "$BERTH_STATE"
    run "$LAB_GUEST_KERNEL" 4608M 4
    ok "a guest with RAM on both sides of 4 GiB ends well" [ $status -eq 0 ]
    ok "it has four processors" says "cpus: 4"
    ok "it has all of its memory, some of it above 4 GiB" says "memory: low and high"
    ok "memory above 4 GiB can be used" says "high-memory-ok"
    ok "memory is write-back by default" says "mtrr: write-back"
    ok "the clock is KVM's" says "clock: kvm-clock"
    ok "the time is the host's" says "time-ok"
    ok "its timer ticks" says "timer-ok"
    ok "it looks for PCI on one bus only" says "buses: 1"
    ok "the serial port is a 16550A on IOAPIC pin 4" says "serial: 16550A, IO-APIC 4-edge"
    ok "its kernel has no complaint" says "kernel-quiet"
    ok "the ELF kernel is unpacked" tests/lab/vmlinux "$LAB_GUEST_KERNEL" "$t/vmlinux"
    run "$t/vmlinux" 512M 1
    ok "an ELF kernel starts at its PVH entry" [ $status -eq 0 ]
    ok "and gets as far" says "serial: 16550A, IO-APIC 4-edge"
    exit 0
fi

t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
cat >"$t/script" <<'GUEST'
echo "cpus: $(nproc)"
grep -q '^100000000-.*System RAM' /proc/iomem && [ "$(awk '/MemTotal/ { print $2 }' /proc/meminfo)" -gt 4300000 ] &&
    echo "memory: low and high"
# Linux hands out memory of zone Normal, which is what lies above 4 GiB, before that of zone DMA32
free_high() {
    awk '/zone +Normal/ { z = 1 } z && /pages free/ { print $3; exit }' /proc/zoneinfo
}
mkdir -p /mnt && mount -t tmpfs -o size=90% t /mnt
before=$(free_high)
dd if=/dev/urandom of=/mnt/0 bs=1M count=4 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10 11; do cp /mnt/0 /mnt/$i; done
[ "$(free_high)" -lt $((before - 10000)) ] && [ "$(md5sum /mnt/* | cut -c1-32 | sort -u | wc -l)" -eq 1 ] &&
    echo "high-memory-ok"
dmesg | sed -n 's/.*MTRR default type: /mtrr: /p'
echo "clock: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
[ "$(date +%s)" -ge @NOW@ ] && [ "$(date +%s)" -lt $((@NOW@ + 3600)) ] && [ -e /dev/rtc0 ] && echo time-ok
sleep 0.2 && echo timer-ok
echo "buses: $(ls -d /sys/class/pci_bus/* | wc -l)"
echo "serial: $(sed -n 's/^0: uart:\([^ ]*\) .*/\1/p' /proc/tty/driver/serial),$(sed -n 's/.* \(IO-APIC\) *\(4-edge\) .*ttyS0/ \1 \2/p' /proc/interrupts)"
dmesg | grep -E 'WARNING:|BUG:|Oops|Call Trace|ACPI.*[Ee]rror|firmware bug' || echo kernel-quiet
GUEST
sed -i "s/@NOW@/$(date +%s)/g" "$t/script"
tests/lab/guest-initrd --run "$t/script" -o "$t/guest.img" || exit 1
tests/lab/lab run --memory 7G --timeout 240 -- env BERTH_BUILD="$BERTH_BUILD" BERTH_RUN=/run/berth-test \
    BERTH_STATE=/run/berth-state "$here/t_vmm.sh" inside "$t" >"$t/log" 2>"$t/lab-err"
lab=$?
cat "$t/log"
[ $lab -eq 0 ] || { echo "not ok - the lab ended with status $lab" | tee -a "$t/log"; cat "$t/lab-err"; }
pass=$(grep -c '^ok ' "$t/log") fail=$(grep -c '^not ok ' "$t/log")
echo "$pass passed, $fail failed, 0 skipped"
[ "$fail" -eq 0 ] && [ $lab -eq 0 ] && [ "$pass" -gt 0 ]

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# berth run, on real KVM and VFIO: guests with and without devices, refusals with exit status and sentence, and what
# /proc says about a running berth-vmm. One boot of the lab. The same script runs inside: `t_run.sh inside TMP`.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
: "${BERTH_BUILD:=$PWD/build/gcc}"
berth=$BERTH_BUILD/berth

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

# --- inside the lab

try() { # ARGUMENTS...: of berth; leaves $status, $t/out and $t/err
    "$berth" "$@" >"$t/out" 2>"$t/err" </dev/null
    status=$?
}

says() { # FILE TEXT
    grep -qF -- "$2" "$t/$1"
}

refused() { # STATUS TEXT: and nothing on stdout
    [ $status -eq "$1" ] && says err "$2" && ! [ -s "$t/out" ] && [ "$(wc -l <"$t/err")" -eq 1 ]
}

driver() { # BDF DRIVER
    [ "$(basename "$(readlink "/sys/bus/pci/devices/$1/driver")")" = "$2" ]
}

guest() { # INITRD ARGUMENTS...
    initrd=$1
    shift
    try run --name t1 --kernel "$LAB_GUEST_KERNEL" --initrd "$t/$initrd" --cmdline "console=ttyS0 quiet" --memory 256M --timeout 300 "$@"
}

plain() {
    guest hello.img --cpus 2
    ok "guest boots and switches itself off: exit 0" [ $status -eq 0 ]
    ok "with two CPUs" says out "guest-cpus: 2"
    ok "and 256M of memory" says out "guest-memory-ok"
    guest reboot.img
    ok "guest reboots: exit 0" [ $status -eq 0 ]
    # the last --cmdline wins; the guest's reboot is a triple fault then
    guest reboot.img --cmdline "console=ttyS0 quiet reboot=triple"
    ok "triple fault: exit 1 and a sentence" [ $status -eq 1 ]
    ok "that names it" says err "triple fault"
    ok "nothing of it is left" [ "$("$berth" vm list --json | tr -d ' \n')" = '{"vms":[]}' ]
    printf '{"name": "j1", "kernel": "%s", "initrd": "hello.img", "cmdline": "console=ttyS0 quiet", "memory": "256M"}' \
        "$LAB_GUEST_KERNEL" >"$t/vm.json"
    try run --cpus 2 "$t/vm.json"
    ok "the same from VM.json, with an option beside it" says out "guest-cpus: 2"
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

running() {
    "$berth" vm info w1 >/dev/null 2>&1 && grep -q guest-waits "$t/w1.out"
}

wait_for() { # COMMAND...
    for _ in $(seq 300); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}

every_thread() { # PATTERN
    for status_file in /proc/"$vmm"/task/*/status; do
        grep -qE "$1" "$status_file" || return 1
    done
}

fds_listed() { # each descriptor of berth-vmm is of a kind that it was given or that KVM and the event loop make
    others=$(for fd in /proc/"$vmm"/fd/*; do readlink "$fd"; done |
        grep -vE '^(/dev/null|/dev/kvm|pipe:.*|socket:.*|anon_inode:(\[eventpoll\]|\[eventfd\]|\[timerfd\]|kvm-vm|kvm-vcpu:[0-9]+|kvm-vfio|\[vfio-device\])|/dev/vfio/(vfio|[0-9]+))$' |
        grep -vxF -e "$(realpath "$LAB_GUEST_KERNEL")" -e "$t/wait.img")
    [ -z "$others" ] || { echo "$others" >"$t/err"; false; }
}

other_namespaces() {
    for ns in mnt net ipc uts pid cgroup; do
        [ "$(readlink /proc/"$vmm"/ns/$ns)" != "$(readlink /proc/self/ns/$ns)" ] || return 1
    done
}

one_interface() {
    [ "$(grep -c : /proc/"$vmm"/net/dev)" -eq 1 ]
}

sandbox_and_vm_verbs() { # ARGUMENTS...: of berth run
    "$berth" run --name w1 --kernel "$LAB_GUEST_KERNEL" --initrd "$t/wait.img" --cmdline "console=ttyS0 quiet" --cpus 2 --memory 256M \
        --timeout 400 "$@" >"$t/w1.out" 2>"$t/w1.err" </dev/null &
    supervisor=$!
    ok "VM is listed as running" wait_for running
    vmm=$("$berth" vm info w1 --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["vms"][0]["vmm_pid"])')
    [ -n "$vmm" ] || { echo "not ok - what follows about berth-vmm: there is none" && dmesg | grep type=1326 | tail -n 1 && return; }
    ok "user is the VM's own" every_thread '^Uid:.18915[0-9]{5}.18915[0-9]{5}.18915[0-9]{5}.18915[0-9]{5}$'
    ok "no group but its own" every_thread '^Groups:.[[:space:]]*$'
    for set in Inh Prm Eff Bnd Amb; do
        ok "Cap$set is empty on every thread" every_thread "^Cap$set:.0000000000000000$"
    done
    ok "NoNewPrivs on every thread" every_thread '^NoNewPrivs:.1$'
    ok "seccomp filter on every thread" every_thread '^Seccomp:.2$'
    ok "both filters" every_thread '^Seccomp_filters:.2$'
    ok "more threads than one" [ "$(ls /proc/"$vmm"/task | wc -l)" -ge 3 ]
    ok "no descriptor outside the list" fds_listed
    ok "namespaces of its own" other_namespaces
    ok "only the loopback interface" one_interface
    ok "root is empty" [ -z "$(ls -A /proc/"$vmm"/root/)" ]
    ok "environment is empty" [ "$(tr -d '\0' </proc/"$vmm"/environ | wc -c)" -eq 0 ]
    ok "no core dumps" grep -qE '^Max core file size +0 +0' /proc/"$vmm"/limits
    guest hello.img --name w1
    ok "second VM of that name" refused 3 "VM w1 runs already, as process $supervisor"
    try vm stop w1
    ok "vm stop returns 0" [ $status -eq 0 ]
    wait $supervisor
    ok "and the supervisor, too" [ $? -eq 0 ]
    ok "berth-vmm is gone" [ ! -d /proc/"$vmm" ]
    try vm stop w1
    ok "stopping it again" refused 1 "VM w1 does not run"
}

ends_by() { # NAME SIGNAL...: each sent to the supervisor of a waiting guest
    name=$1
    shift
    "$berth" run --name w1 --kernel "$LAB_GUEST_KERNEL" --initrd "$t/wait.img" --cmdline "console=ttyS0 quiet" --memory 256M \
        >"$t/w1.out" 2>"$t/w1.err" </dev/null &
    supervisor=$!
    wait_for running || echo "not ok - $name: VM does not come up"
    for signal in "$@"; do
        kill -s "$signal" $supervisor
    done
    wait $supervisor
    status=$?
    ok "$name" [ $status -eq 0 ]
}

passthrough() {
    guest igb.img --cpus 2 --device 01:00.0
    ok "igb: guest ends well" [ $status -eq 0 ]
    ok "igb: its driver is bound" says out "guest-driver: igb"
    ok "igb: MSI-X interrupts are counted" says out "guest-msix-ok"
    ok "igb: DHCP lease" says out "guest-dhcp: eth0 has 10.0.3."
    ok "igb: ping of the gateway" says out "guest-ping-ok"
    ok "igb: back with the host" driver 0000:01:00.0 igb
    ok "igb: no override is left" [ "$(cat /sys/bus/pci/devices/0000:01:00.0/driver_override)" = "(null)" ]
    ok "nothing is owned" [ "$("$berth" status --json | tr -d ' \n')" = '{"owned":[]}' ]
    sandbox_and_vm_verbs --device 01:00.0
    ok "igb: back with the host after vm stop" driver 0000:01:00.0 igb
}

terminal() {
    python3 tests/lab/terminal.py "$berth" "$LAB_GUEST_KERNEL" "$t/wait.img" >"$t/out" 2>"$t/err"
    ok "Ctrl-A x on a terminal ends the VM, and the settings come back" [ $? -eq 0 ]
}

if [ "${1-}" = inside ]; then
    t=$2
    mkdir -p "$BERTH_RUN" "$BERTH_STATE"
    plain
    refusals
    sandbox_and_vm_verbs
    ends_by "SIGTERM stops the VM: exit 0" TERM
    terminal
    passthrough
    dmesg | grep type=1326
    ok "the kernel has no complaint" [ -z "$(dmesg | grep -E 'WARNING:|BUG:|Oops|DMAR: \[DMA|type=1326')" ]
    exit 0
fi

# --- outside

t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
initrd() { # NAME SCRIPT ARGUMENTS...
    printf '%s\n' "$2" >"$t/script"
    name=$1
    shift 2
    tests/lab/guest-initrd "$@" --run "$t/script" -o "$t/$name.img"
}
initrd hello 'echo "guest-cpus: $(nproc)"
read -r _ kb _ </proc/meminfo
[ "$kb" -gt 180000 ] && [ "$kb" -lt 262144 ] && echo guest-memory-ok'
initrd reboot 'reboot -f'
initrd wait 'echo guest-waits
while :; do sleep 1; done'
initrd igb 'set -- /sys/bus/pci/devices/*/net/eth0
[ -e "$1" ] && echo "guest-driver: $(basename "$(readlink "${1%/net/eth0}/driver")")"
udhcpc -qnf -i eth0
ping -c 3 -W 10 10.0.3.2 && echo guest-ping-ok
grep eth0 /proc/interrupts
grep -E "MSI-?X.*eth0" /proc/interrupts | grep -qE ": +[0-9 ]*[1-9]" && echo guest-msix-ok' --kernel-modules igb

tests/lab/lab run --timeout 900 --out "$t/lab" -- env BERTH_BUILD="$BERTH_BUILD" BERTH_RUN=/run/berth-test BERTH_STATE=/run/berth-state \
    "$here/t_run.sh" inside "$t" >"$t/log" 2>"$t/lab-err"
lab=$?
cat "$t/log"
[ $lab -eq 0 ] || { echo "not ok - the lab ended with status $lab" | tee -a "$t/log"; cat "$t/lab-err"; }
pass=$(grep -c '^ok ' "$t/log") fail=$(grep -c '^not ok ' "$t/log")
echo "$pass passed, $fail failed, 0 skipped"
[ "$fail" -eq 0 ] && [ $lab -eq 0 ] && [ "$pass" -gt 0 ]

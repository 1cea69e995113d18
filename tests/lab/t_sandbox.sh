#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What /proc says about a running berth-vmm that drives a NIC; `berth vm`; how a VM is ended by signals and on a terminal.
# One boot of the lab. The same script runs inside: `t_sandbox.sh inside TMP`.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
. tests/lab/run_common.sh

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
    guest wait.img --name w1
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

terminal() {
    python3 tests/lab/terminal.py "$berth" "$LAB_GUEST_KERNEL" "$t/wait.img" >"$t/out" 2>"$t/err"
    ok "Ctrl-A x on a terminal ends the VM, and the settings come back" [ $? -eq 0 ]
}

if [ "${1-}" = inside ]; then
    t=$2
    mkdir -p "$BERTH_RUN" "$BERTH_STATE"
    sandbox_and_vm_verbs --device 01:00.0
    ok "the device is back with the host after vm stop" driver 0000:01:00.0 igb
    ends_by "SIGTERM stops the VM: exit 0" TERM
    terminal
    complaints
    ok "the kernel has no complaint" [ ! -s "$t/out" ]
    echo "# end"
    exit 0
fi

t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
initrd wait 'echo guest-waits
while :; do sleep 1; done'
run_in_lab "$here/t_sandbox.sh"

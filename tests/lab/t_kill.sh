#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill -9 of `berth run` and of berth-vmm, ten moments each, spread over start-up and running. After each: no process is
# left, `berth status` is right, and the device can be assigned and released. One boot of the lab; the same script runs inside.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
: "${BERTH_BUILD:=$PWD/build/gcc}"
berth=$BERTH_BUILD/berth
device=0000:03:00.0

ok() { # NAME COMMAND...
    local name=$1
    shift
    if "$@"; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        tail -n 5 "$t"/verb "$t"/*.err "$t/status" 2>/dev/null | sed 's/^/    /'
    fi
}

wait_for() { # COMMAND...
    for _ in $(seq 600); do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}

vmm_pid() { # or nothing
    "$berth" vm info k1 --json 2>/dev/null | python3 -c 'import json, sys; print(json.load(sys.stdin)["vms"][0]["vmm_pid"] or "")' 2>/dev/null
}

no_vmm() { # by its user: nobody else has such a uid
    ! grep -qlE '^Uid:.18915[0-9]{5}' /proc/[0-9]*/status 2>/dev/null
}

# A row that says in-use has a holder that lives, or a note that says what the next changing verb does about it.
status_right() {
    "$berth" status --json >"$t/status" 2>"$t/status.err" || return 1
    python3 - "$t/status" <<'PYTHON'
import json
import os
import sys

data = json.load(open(sys.argv[1]))
rows = data["owned"]
for row in rows:
    if row["state"] == "in-use" and not (row["holder"] and os.path.exists(f"/proc/{row['holder']}")) and not row["note"]:
        sys.exit(f"in use without a holder: {row}")
PYTHON
}

nothing_owned() {
    [ "$("$berth" status --json | tr -d ' \n' | grep -o '"owned":\[\]')" = '"owned":[]' ] || { "$berth" status --json >"$t/status"; false; }
}

assign_and_release() {
    "$berth" assign $device --vm other >"$t/verb" 2>&1 &&
        [ "$(basename "$(readlink /sys/bus/pci/devices/$device/driver)")" = vfio-pci ] &&
        "$berth" release $device >"$t/verb" 2>&1 &&
        ! [ -e /sys/bus/pci/devices/$device/driver ]
}

start() {
    "$berth" run --name k1 --kernel "$LAB_GUEST_KERNEL" --initrd "$t/wait.img" --cmdline "console=ttyS0 quiet" --memory 128M \
        --console none --device $device >"$t/run.out" 2>"$t/run.err" </dev/null &
    supervisor=$!
}

after() { # WHAT
    ok "$1: no berth-vmm is left" wait_for no_vmm
    ok "$1: status is right" status_right
    ok "$1: the device can be assigned and released" assign_and_release
}

if [ "${1-}" = inside ]; then
    t=$2
    mkdir -p "$BERTH_RUN" "$BERTH_STATE"
    early=0 late=0
    for delay in 0 0.03 0.06 0.1 0.2 0.3 0.5 0.8 1.5 3; do
        start
        sleep $delay
        kill -9 $supervisor
        if grep -qs '"vmm_pid": [1-9]' "$BERTH_RUN/k1/info"; then late=$((late + 1)); else early=$((early + 1)); fi
        wait $supervisor 2>/dev/null
        after "supervisor killed after $delay s"
    done
    ok "some moments were before berth-vmm, some after ($early, $late)" [ $early -ge 2 -a $late -ge 2 ]
    ok "a VM of that name is not thought to run" [ "$("$berth" vm list --json | tr -d ' \n')" = '{"vms":[]}' ]
    for delay in 0 0.02 0.05 0.1 0.2 0.3 0.5 0.8 1.5 3; do
        start
        vmm=
        for _ in $(seq 200); do
            vmm=$(vmm_pid)
            [ -n "$vmm" ] && break
        done
        sleep $delay
        kill -9 "$vmm"
        wait $supervisor
        status=$?
        ok "berth-vmm killed after $delay s: the supervisor says so" [ $status -eq 1 ]
        ok "berth-vmm killed after $delay s: in words" grep -q "berth-vmm was killed by signal 9" "$t/run.err"
        ok "berth-vmm killed after $delay s: nothing is owned" nothing_owned
        after "berth-vmm killed after $delay s"
    done
    ok "the kernel has no complaint" [ -z "$(dmesg | grep -E 'WARNING:|BUG:|Oops|DMAR: \[DMA')" ]
    echo "# end"
    exit 0
fi

t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
printf 'while :; do sleep 1; done\n' >"$t/script"
tests/lab/guest-initrd --run "$t/script" -o "$t/wait.img" || exit 1
tests/lab/lab run --timeout 900 --out "$t/lab" -- env BERTH_BUILD="$BERTH_BUILD" BERTH_RUN=/run/berth-test BERTH_STATE=/run/berth-state \
    "$here/t_kill.sh" inside "$t" >"$t/log" 2>"$t/lab-err"
lab=$?
cat "$t/log"
grep -q '^# end$' "$t/log" && [ $lab -eq 0 ] || {
    echo "not ok - the lab ended with status $lab" | tee -a "$t/log"
    cat "$t/lab-err"
}
pass=$(grep -c '^ok ' "$t/log") fail=$(grep -c '^not ok ' "$t/log")
echo "$pass passed, $fail failed, 0 skipped"
[ "$fail" -eq 0 ] && [ "$pass" -gt 0 ]

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Power cuts: the machine is killed while devices are assigned, used and on their way, and boots again with the same ledger on
# the same disk. What was acknowledged is there; what was under way has happened or not, and nothing between; what a VM
# used is reset with proof; the rest is the host's. One boot more than cuts; the same script runs inside.
#
#	BERTH_POWER_CUTS	how many, 4 unless given; 10 are ten different moments
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
. tests/lab/run_common.sh
: "${BERTH_POWER_CUTS:=4}"

D=/sys/bus/pci/devices
igb=0000:01:00.0 gpu=0000:02:00.0 edu=0000:03:00.0 nvme=0000:04:00.0

wait_for() { # COMMAND...
    for _ in $(seq 600); do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}

# --- before a cut. What is said here counts when it arrives outside: "ack DEVICE VM" (VM - is the host), "doing DEVICE"

start() { # NAME ARGUMENTS...: waits until the guest runs
    local name=$1
    shift
    rm -f "$t/$name.console"
    "$berth" run --name "$name" --kernel "$LAB_GUEST_KERNEL" --initrd "$t/wait.img" --cmdline "console=ttyS0 quiet" --memory 128M \
        --console "/run/$name.console" "$@" >"/run/$name.out" 2>"/run/$name.err" </dev/null &
    wait_for grep -qs guest-waits "/run/$name.console" || sed 's/^/    /' "/run/$name.err"
}

assigned() { # DEVICE VM
    "$berth" assign "$1" --vm "$2" >/run/out 2>&1 && echo "ack $1 $2" || sed 's/^/    /' /run/out
}

cut_after() { # SECONDS DEVICE COMMAND...: 0 when it ended before
    echo "doing $2"
    sleep 0.3 # let that out
    (
        sleep "$1"
        "$LAB_QMP" power_cut
    ) >/dev/null 2>&1 &
    shift 2
    "$@" >/run/out 2>&1 </dev/null
}

run_gpu() {
    "$berth" run --name w --kernel "$LAB_GUEST_KERNEL" --initrd "$t/wait.img" --memory 128M --console none --device $gpu
}

recover_used() {
    kill -9 "$("$berth" status --json | python3 -c 'import json, sys
print([r["holder"] for r in json.load(sys.stdin)["owned"] if r["vm"] == "v"][0])')"
    "$berth" recover
}

before_cut() { # NUMBER
    local moments=(0.3 0.15 0.2 0.6 0.5 0.9 0.4 0.05 1.5 0.2) at
    at=${moments[$1 % 10]}
    modprobe vfio-pci
    assigned $edu v
    assigned $igb t1
    start v --device $edu
    start r --device $nvme
    sync "$t" # the words of VMs, not the ledger
    case $(($1 % 5)) in
    0) cut_after "$at" $gpu "$berth" assign $gpu --vm t2 && echo "ack $gpu t2" ;;
    1) cut_after "$at" $igb "$berth" release $igb && echo "ack $igb -" ;;
    2) cut_after "$at" $edu recover_used ;;
    3) cut_after "$at" $gpu run_gpu ;;
    4) cut_after "$at" $edu "$berth" vm stop v ;;
    esac
    sleep 30
    echo "not ok - the power was not cut"
}

# --- after it

intact() {
    python3 - "$BERTH_STATE/ledger.db" <<'PYTHON'
import sqlite3
import sys

answer = sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchall()
sys.exit(answer != [("ok",)] and str(answer))
PYTHON
}

# @said: what arrived outside before the cut. Devices that nobody was told of are the host's; one under way is either.
as_acknowledged() { # STATUS-FILE SAID
    python3 - "$1" "$2" <<'PYTHON'
import json
import os
import sys

HOME = {
    "0000:01:00.0": "igb",
    "0000:02:00.0": "bochs-drm",
    "0000:02:00.1": "snd_hda_intel",
    "0000:03:00.0": None,
    "0000:04:00.0": "nvme",
}
TOGETHER = {"0000:02:00.0": ["0000:02:00.1"]}
MEANT = {"0000:02:00.0": ["t2", None], "0000:01:00.0": ["t1", None], "0000:03:00.0": ["v"]}
allowed = {bdf: [None] for bdf in HOME}
for line in open(sys.argv[2]):
    words = line.split()
    if words[:1] == ["ack"]:
        allowed[words[1]] = [None if words[2] == "-" else words[2]]
    elif words[:1] == ["doing"]:
        allowed[words[1]] = MEANT[words[1]]
for bdf, others in TOGETHER.items():
    for other in others:
        allowed[other] = allowed[bdf]
owner = {}
for row in json.load(open(sys.argv[1]))["owned"]:
    if row["state"] != "assigned":
        sys.exit(f"not settled: {row}")
    for bdf in row["devices"].split():
        owner[bdf] = row["vm"]
for bdf, home in HOME.items():
    device = f"/sys/bus/pci/devices/{bdf}"
    driver = os.path.basename(os.readlink(f"{device}/driver")) if os.path.exists(f"{device}/driver") else None
    if owner.get(bdf) not in allowed[bdf]:
        sys.exit(f"{bdf} is {owner.get(bdf)}'s, and should be of {allowed[bdf]}")
    if driver != ("vfio-pci" if bdf in owner else home):
        sys.exit(f"{bdf} of {owner.get(bdf)}: on {driver}")
print({bdf: owner.get(bdf) for bdf in HOME})
PYTHON
}

reset_since() { # BDF TIME: with proof
    "$berth" show "$1" --json >/run/show
    python3 - "$2" <<'PYTHON'
import calendar
import json
import sys
import time

r = json.load(open("/run/show"))["devices"][0]["last_reset"]
print(r)
sys.exit(not r["proven"] or calendar.timegm(time.strptime(r["time"][:19], "%Y-%m-%dT%H:%M:%S")) < int(sys.argv[1]))
PYTHON
}

after_cut() { # NUMBER: of the cut before
    local what="cut $1" begin
    begin=$(date +%s)
    cp "$t/said" /run/said
    try status
    ok "$what: the ledger can be read" [ $status -eq 0 ]
    try recover
    sed 's/^/# /' "$t/out"
    ok "$what: recover" [ $status -eq 0 ]
    ok "$what: ledger and kernel agree" grep -q "ledger and kernel agree" <("$berth" recover --dry-run 2>&1)
    ok "$what: the file is intact" intact
    "$berth" status --json >/run/status
    as_acknowledged /run/status /run/said >"$t/out" 2>"$t/err"
    ok "$what: what was acknowledged is there, and nothing else" [ $? -eq 0 ]
    sed 's/^/# /' "$t/out"
    if grep -q "^ack $edu v" /run/said; then
        reset_since $edu "$begin" >"$t/out" 2>"$t/err"
        ok "$what: what a VM used is reset since, with proof" [ $? -eq 0 ]
    fi
    "$berth" release --vm t2 >/dev/null 2>&1
    complaints
    ok "$what: the kernel has no complaint" [ ! -s "$t/out" ]
}

if [ "${1-}" = inside ]; then
    t=$2
    number=$3
    mkdir -p "$BERTH_RUN" /run/kept
    mount -t ext4 /dev/vdb /run/kept || exit 1
    mkdir -p "$BERTH_STATE"
    dmesg -C
    [ "$number" -gt 0 ] && after_cut "$number"
    [ "$number" -lt "$4" ] && before_cut "$number"
    echo "# end"
    exit 0
fi

t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
initrd wait 'echo guest-waits
while :; do sleep 1; done'
truncate -s 64M "$t/disk"
mkfs.ext4 -q -F "$t/disk" || exit 1
: >"$t/said"
for number in $(seq 0 "$BERTH_POWER_CUTS"); do
    tests/lab/lab run --timeout 600 --disk "$t/disk" --out "$t/lab" -- env BERTH_BUILD="$BERTH_BUILD" BERTH_RUN=/run/berth-test \
        BERTH_STATE=/run/kept/state "$here/t_power.sh" inside "$t" "$number" "$BERTH_POWER_CUTS" >"$t/log" 2>"$t/lab-err"
    lab=$?
    grep -v '^ack \|^doing ' "$t/log"
    expected=123
    [ "$number" -eq "$BERTH_POWER_CUTS" ] && expected=0
    [ $lab -eq $expected ] || {
        echo "not ok - boot $number ended with status $lab" | tee -a "$t/log"
        cat "$t/lab-err"
    }
    grep '^ack \|^doing ' "$t/log" >"$t/said"
    pass=$((pass + $(grep -c '^ok ' "$t/log"))) fail=$((fail + $(grep -c '^not ok ' "$t/log")))
    [ $lab -eq $expected ] || break
done
total

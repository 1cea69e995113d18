#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who owns what survives: kill -9 of `berth assign`, `release` and `recover` at several moments each, spread over the time they
# take for a NIC, an NVMe and a GPU with its audio at once; after each, one `berth recover` puts everything right, in no more
# than half a second beyond what the kernel itself needs (the median: drivers that are still at their own start take longer).
# And devices that vanish in each state (preparing, assigned, in use, releasing, sanitising, returning, faulted, quarantined, identity
# changed, external): lost, and when they come back, what they were. Two boots; the same script runs inside.
#
# In the first, times are the lab's: a nanosecond is one instruction, so what else this machine does is no part of them.
#
#	BERTH_MOMENTS	how many moments of each, 4 unless given
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
. tests/lab/run_common.sh
: "${BERTH_MOMENTS:=4}"

D=/sys/bus/pci/devices
igb=0000:01:00.0 gpu=0000:02:00.0 audio=0000:02:00.1 edu=0000:03:00.0 nvme=0000:04:00.0
devices="$igb $nvme $gpu"

wait_for() { # COMMAND...
    local until=$((SECONDS + 120))
    while [ $SECONDS -lt $until ]; do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}

# No program is started for either: that is asking this machine for a file, which takes as long as it likes.
now_ms() { # leaves $now
    now=$((${EPOCHREALTIME/./} / 1000))
}

pause() { # MS
    read -r -t "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))" -u 7
}

# For the same reason what is measured lies in memory.
into_memory() {
    mkdir -p /run/bin
    # shellcheck disable=SC2046
    cp -L "$berth" "$(dirname "$berth")/berth-vmm" $(ldd "$berth" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p') /run/bin
    cp -L /usr/share/misc/pci.ids* /run/bin
    for file in /usr/share/misc/pci.ids*; do mount --bind "/run/bin/$(basename "$file")" "$(readlink -f "$file")"; done
    export LD_LIBRARY_PATH=/run/bin
    berth=/run/bin/berth
    mkfifo /run/never
    exec 7<>/run/never
}

rows() { # EXPRESSION: of Python, with rows of the ledger
    "$berth" status --json >"$t/status" 2>"$t/status.err"
    python3 -c 'import json, sys
rows = json.load(open(sys.argv[1]))["owned"]
print(eval(sys.argv[2]))' "$t/status" "$1"
}

nothing_owned() {
    [ "$(rows 'len(rows)')" = 0 ]
}

at_home() { # all devices are with the drivers of the host, as found
    driver $igb igb && driver $nvme nvme && driver $gpu bochs-drm && driver $audio snd_hda_intel &&
        [ "$(cat $D/{$igb,$nvme,$gpu,$audio}/driver_override | sort -u)" = "(null)" ]
}

# What the ledger says is what the kernel says: each group is on vfio-pci as a whole and VM's, or with the host as it was found.
consistent() { # [VM]
    "$berth" status --json >"$t/status" 2>"$t/status.err" || return 1
    "$berth" recover --dry-run >"$t/dry" 2>&1 || return 1
    grep -q "ledger and kernel agree" "$t/dry" || return 1
    python3 - "$t/status" "${1-t1}" <<'PYTHON'
import json
import os
import sys

HOME = {
    "0000:01:00.0": "igb",
    "0000:02:00.0": "bochs-drm",
    "0000:02:00.1": "snd_hda_intel",
    "0000:04:00.0": "nvme",
}
owned = set()
for row in json.load(open(sys.argv[1]))["owned"]:
    if row["state"] != "assigned" or row["vm"] != sys.argv[2] or row["note"]:
        sys.exit(f"not settled: {row}")
    owned |= set(row["devices"].split())
for bdf, home in HOME.items():
    device = f"/sys/bus/pci/devices/{bdf}"
    override = open(f"{device}/driver_override").read().strip()
    driver = os.path.basename(os.readlink(f"{device}/driver")) if os.path.exists(f"{device}/driver") else None
    if (driver, override) != (("vfio-pci", "vfio-pci") if bdf in owned else (home, "(null)")):
        sys.exit(f"{bdf}: {driver}, override {override}, owned: {bdf in owned}")
PYTHON
}

# --- killed

timed() { # VERB…: leaves $took in ms
    local begin
    now_ms
    begin=$now
    try "$@"
    now_ms
    took=$((now - begin))
}

kill_at() { # MS VERB…: adds to $killed when it was still there
    local ms=$1 pid
    shift
    "$berth" "$@" >"$t/out" 2>"$t/err" </dev/null &
    pid=$!
    pause "$ms"
    kill -9 $pid 2>/dev/null && killed=$((killed + 1))
    wait $pid 2>/dev/null
}

# The lock is the kernel's until its own work for the dead process is done; that is not recover's time.
settled() {
    flock -n "$BERTH_STATE/lock" true
}

recovered() { # WHAT: one recover, and everything is right
    wait_for settled
    timed recover
    times="$times $took"
    [ $status -eq 0 ] || { bad="$bad; $1: exit $status"; sed 's/^/#   /' "$t/err"; }
    consistent 2>"$t/why" || { bad="$bad; $1: $(cat "$t/why" "$t/dry")"; }
}

moments() { # WHAT MS START VERB…: from the state that START makes; nothing may be wrong after any of them
    local what=$1 ms=$2 start=$3 i at
    shift 3
    killed=0 bad='' times=''
    for i in $(seq "$BERTH_MOMENTS"); do
        at=$((ms * (2 * i - 1) / (2 * BERTH_MOMENTS)))
        $start || bad="$bad; before $at ms: cannot begin"
        kill_at $at "$@"
        recovered "$at ms"
    done
    # shellcheck disable=SC2086
    set -- $(printf '%s\n' $times | sort -n)
    half=${@:$((($# + 1) / 2)):1} slowest=${@:$#:1}
    echo "# $what takes $ms ms; recover after it took $half ms (median; at most $slowest), and $idle ms with nothing to do"
    echo "$bad" | tr ';' '\n' >"$t/out"
    : >"$t/err"
    ok "$what killed at $BERTH_MOMENTS moments: one recover puts all right" [ -z "$bad" ]
    ok "$what: within half a second, beside the kernel's own work" [ "$half" -le $((idle + work + 500)) ]
    ok "$what: most of the moments were before its end ($killed)" [ $((2 * killed)) -gt "$BERTH_MOMENTS" ]
}

all_home() {
    try release --vm t1
    nothing_owned && at_home
}

all_assigned() {
    # shellcheck disable=SC2086
    try assign $devices --vm t1
    [ "$(rows 'sorted(d for r in rows for d in r["devices"].split())')" = "['$igb', '$gpu', '$audio', '$nvme']" ]
}

# Taken half-way, and nobody has put it right yet: the first device is on vfio-pci.
half_taken() {
    local pid end=$((SECONDS + 60))
    all_home || return 1
    # shellcheck disable=SC2086
    "$berth" assign $devices --vm t1 >"$t/out" 2>"$t/err" </dev/null &
    pid=$!
    until [ -e /sys/bus/pci/drivers/vfio-pci/$igb ] || [ $SECONDS -ge $end ]; do pause 2; done
    kill -9 $pid
    wait $pid 2>/dev/null
    wait_for settled
}

killed_verbs() {
    modprobe vfio-pci
    # shellcheck disable=SC2086
    timed assign $devices --vm t1
    timed release --vm t1
    # shellcheck disable=SC2086
    timed assign $devices --vm t1
    assign_ms=$took
    timed release --vm t1
    release_ms=$took
    timed recover
    idle=$took
    # What the kernel needs for the same devices, and nobody else to help it.
    now_ms
    begin=$now
    for at in $igb $nvme $gpu $audio; do echo $at >$D/$at/driver/unbind; done
    for at in $igb $nvme $gpu $audio; do echo $at >/sys/bus/pci/drivers_probe; done
    now_ms
    work=$((now - begin))
    echo "# the kernel's own work: $work ms to unbind all and to bind them again"
    ok "all are at home" wait_for at_home
    moments assign $assign_ms all_home assign $devices --vm t1
    moments release $release_ms all_assigned release --vm t1
    # How far assign got when it was killed differs a little, and with it what is left to do: the least of three.
    recover_ms=60000
    for _ in 1 2 3; do
        half_taken
        timed recover
        [ $took -ge $recover_ms ] || recover_ms=$took
    done
    moments recover $recover_ms half_taken recover
    ok "and all can be given back" all_home
}

# --- gone

start() { # NAME ARGUMENTS...: leaves $supervisor; waits until the guest runs
    local name=$1
    shift
    rm -f "$t/$name.console"
    "$berth" run --name "$name" --kernel "$LAB_GUEST_KERNEL" --initrd "$t/wait.img" --cmdline "console=ttyS0 quiet" --memory 128M \
        --console "$t/$name.console" "$@" >"$t/$name.out" 2>"$t/$name.err" </dev/null &
    supervisor=$!
    wait_for grep -qs guest-waits "$t/$name.console" || sed 's/^/    /' "$t/$name.err"
}

ended() { # NAME: waits for its supervisor; leaves $status, and its words in $t/err
    wait $supervisor
    status=$?
    cp "$t/$1.err" "$t/err"
}

take_out() { # BDF
    timeout 60 sh -c "echo 1 >$D/$1/remove"
    ! [ -e $D/$1 ]
}

put_back() { # BDF
    echo 1 >/sys/bus/pci/rescan
    wait_for test -e "$D/$1"
}

state_of() { # BDF
    rows "[(r['state'], r['vm']) for r in rows if '$1' in r['devices']]"
}

is_lost() { # BDF VM
    ok "$3: lost" [ "$(state_of "$1")" = "[('lost', '$2')]" ]
    try assign "$1" --vm other
    ok "$3: nobody else gets it" [ $status -ne 0 ]
}

reset_log() { # BDF: the last reset of it, in words
    "$berth" show "$1" --json | python3 -c 'import json, sys
r = json.load(sys.stdin)["devices"][0]["last_reset"]
print(r["vm"], r["when"], r["method"], r["proven"])'
}

gone_assigned() {
    try assign $nvme --vm v
    ok "assigned: taken out" take_out $nvme
    is_lost $nvme v assigned
    ok "assigned: put back" put_back $nvme
    driver $nvme nvme && echo "# the host's driver had it until recover"
    try recover
    ok "assigned: its VM's again" [ "$(state_of $nvme)" = "[('assigned', 'v')]" ]
    ok "assigned: on vfio-pci" driver $nvme vfio-pci
    start v --device $nvme
    ok "assigned: it runs" kill -0 $supervisor
    ok "assigned: reset with proof before use" [ "$(reset_log $nvme)" = "v before-use flr True" ]
    try vm stop v
    ended v
    ok "assigned: and ends well" [ $status -eq 0 ]
}

gone_in_use() {
    start v --device $nvme
    ok "in use: taken out, in time" take_out $nvme
    ended v
    ok "in use: the VM ends, with the reason" grep -Eq "wants $nvme back|$nvme was removed" "$t/err"
    is_lost $nvme v "in use"
    ok "in use: put back" put_back $nvme
    try recover
    ok "in use: its VM's again" [ "$(state_of $nvme)" = "[('assigned', 'v')]" ]
    ok "in use: on vfio-pci" driver $nvme vfio-pci
    start v --device $nvme
    ok "in use: reset with proof before use" [ "$(reset_log $nvme)" = "v before-use flr True" ]
    try vm stop v
    ended v
    try release $nvme
    ok "in use: given back in the end" driver $nvme nvme
}

# As soon as the ledger says that it is on its way back.
take_out_while() { # BDF STATE…
    python3 - "$BERTH_STATE/ledger.db" "$D/$1/remove" "${@:2}" <<'PYTHON'
import sqlite3
import sys
import time

file, remove, *states = sys.argv[1:]
ledger = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
until = time.monotonic() + 60
while time.monotonic() < until:
    row = ledger.execute("SELECT state FROM assignment WHERE ended IS NULL AND vm = 'v'").fetchone()
    if row and row[0] in states:
        open(remove, "w").write("1")
        sys.exit(0)
sys.exit("that state never came")
PYTHON
}

# Taken out while a verb is at work on it: what that makes of it is the race's to say, and it is one of two things.
taken_while() { # WHAT BDF STATE VERB…
    local what=$1 bdf=$2 watcher
    take_out_while "$bdf" "$3" 2>"$t/watch" &
    watcher=$!
    sleep 1
    "$berth" "${@:4}" >"$t/out" 2>"$t/err" </dev/null
    echo "# $what: $4 ended with status $?: $(head -1 "$t/err")"
    wait $watcher
    ok "$what: taken out meanwhile" [ $? -eq 0 ]
}

came_back() { # WHAT BDF
    gone() { ! [ -e "$D/$bdf" ]; }
    local what=$1 bdf=$2
    ok "$what: gone" wait_for gone
    case $(state_of "$bdf") in
    "[]") ok "$what: nobody's" true ;;
    *) ok "$what: or lost ($(state_of "$bdf"))" [ "$(state_of "$bdf")" = "[('lost', 'v')]" ] ;;
    esac
    ok "$what: put back" put_back "$bdf"
    try recover
    ok "$what: recover" [ $status -eq 0 ]
    ok "$what: all is right" wait_for consistent v
    try release --vm v
    ok "$what: and at home in the end" wait_for at_home
}

gone_releasing() {
    try assign $nvme --vm v
    start v --device $nvme
    taken_while releasing $nvme releasing vm stop v
    ended v
    gone() { ! [ -e $D/$nvme ]; }
    ok "releasing: gone" wait_for gone
    is_lost $nvme v releasing
    ok "releasing: put back" put_back $nvme
    try recover
    case $(state_of $nvme) in
    "[('assigned', 'v')]") ok "releasing: assigned again" driver $nvme vfio-pci ;;
    *) ok "releasing: else in quarantine ($(state_of $nvme))" [ "$(state_of $nvme)" = "[('quarantined', 'v')]" ] ;;
    esac
    try release $nvme
    ok "releasing: given back, after a reset" [ $status -eq 0 ]
    ok "releasing: with proof" grep -q " flr True$" <<<"$(reset_log $nvme)"
    ok "releasing: to its driver" wait_for driver $nvme nvme
}

gone_preparing() {
    taken_while preparing $igb preparing assign $igb --vm v
    came_back preparing $igb
}

gone_sanitising() {
    try assign $nvme --vm v
    start v --device $nvme
    taken_while sanitising $nvme sanitising vm stop v
    ended v
    came_back sanitising $nvme
}

gone_returning() {
    try assign $igb --vm v
    taken_while returning $igb returning release $igb
    came_back returning $igb
}

# Its driver is not there when it is given back.
gone_faulted() {
    try assign $igb --vm v
    rmmod igb
    mkdir -p /etc/modprobe.d
    echo "install igb /bin/false" >/etc/modprobe.d/no-igb.conf
    try release $igb
    ok "faulted: it cannot be given back" [ $status -eq 1 ]
    ok "faulted: which is said" [ "$(state_of $igb)" = "[('faulted', 'v')]" ]
    ok "faulted: taken out" take_out $igb
    is_lost $igb v faulted
    ok "faulted: put back" put_back $igb
    try assign $igb --vm other
    ok "faulted: nobody gets it yet" [ $status -ne 0 ]
    rm /etc/modprobe.d/no-igb.conf
    try recover
    ok "faulted: recover gives it back when its driver is there" nothing_owned
    ok "faulted: and it is at home" wait_for at_home
}

plug() { # ID MAC: in the free root port, with a driver
    "$LAB_QMP" device_add e1000e "id=$1" bus=port5 "mac=$2" >/dev/null && wait_for test -e $D/$card/driver
}

pull() { # ID: the machine asks the host, and waits for its leave
    "$LAB_QMP" device_del "$1" >/dev/null
    pulled() { ! [ -e $D/$card ]; }
    wait_for pulled
}

# Real hotplug: another card of the same kind comes into the slot.
gone_changed() {
    card=0000:05:00.0
    modprobe e1000e
    ok "swapped: plugged" plug one 52:54:00:00:09:01
    try assign $card --vm v
    ok "swapped: assigned" driver $card vfio-pci
    ok "swapped: pulled" pull one
    is_lost $card v swapped
    ok "swapped: another card is plugged" plug two 52:54:00:00:09:02
    try recover
    ok "swapped: it is not the one" [ "$(state_of $card)" = "[('identity-changed', 'v')]" ]
    ok "swapped: and stays with the host" driver $card e1000e
    try run --name v --kernel "$LAB_GUEST_KERNEL" --memory 128M --console none --timeout 60 --device $card
    ok "swapped: its VM does not get it" [ $status -ne 0 ]
    try assign $card --vm other
    ok "swapped: nor does another" [ $status -eq 3 ]
    ok "swapped: pulled, too" pull two
    echo "# then it is $(state_of $card)"
    try assign $card --vm other
    ok "swapped: nothing is there to be had" [ $status -ne 0 ]
    ok "swapped: the first one comes back" plug one 52:54:00:00:09:01
    try recover
    ok "swapped: which is for a person to say" [ "$(state_of $card)" = "[('identity-changed', 'v')]" ]
    try release $card
    ok "swapped: who lets go" nothing_owned
    ok "swapped: it is the host's" driver $card e1000e
    ok "swapped: and can be pulled" pull one
}

# On vfio-pci by somebody's hand: nothing of ours, before and after.
gone_external() {
    echo vfio-pci >$D/$edu/driver_override
    echo $edu >/sys/bus/pci/drivers_probe
    ok "external: seen" [ "$(rows "[r['state'] for r in rows if '$edu' in r['devices']]")" = "['external']" ]
    ok "external: taken out" take_out $edu
    ok "external: nobody's" nothing_owned
    ok "external: put back" put_back $edu
    try recover
    ok "external: as it came" [ ! -e $D/$edu/driver ]
    try assign $edu --vm v
    ok "external: and to be had" driver $edu vfio-pci
    try release $edu
}

gone_quarantined() {
    start v --device $nvme
    echo >$D/$nvme/reset_method
    "$berth" vm stop v >/dev/null 2>&1
    ended v
    ok "quarantined: without a proven reset" [ "$(state_of $nvme)" = "[('quarantined', 'v')]" ]
    ok "quarantined: taken out" take_out $nvme
    is_lost $nvme v quarantined
    ok "quarantined: put back" put_back $nvme
    try recover
    ok "quarantined: still" [ "$(state_of $nvme)" = "[('quarantined', 'v')]" ]
    try assign $nvme --vm other
    ok "quarantined: nobody gets it" [ $status -eq 3 ]
    # To the kernel it is a new device, and its driver has it.
    try release $nvme
    ok "quarantined: bound again, reset, and given back" [ $status -eq 0 ]
    ok "quarantined: with proof" grep -q " flr True$" <<<"$(reset_log $nvme)"
    ok "quarantined: to its driver" wait_for driver $nvme nvme
    ok "nothing is owned" nothing_owned
}

if [ "${1-}" = inside ]; then
    t=$2
    killed=0
    mkdir -p "$BERTH_RUN" "$BERTH_STATE"
    dmesg -C
    case $PART in
    killed)
        into_memory
        killed_verbs
        ;;
    gone)
        gone_assigned
        gone_in_use
        gone_releasing
        gone_preparing
        gone_sanitising
        gone_returning
        gone_faulted
        gone_changed
        gone_external
        gone_quarantined
        ;;
    esac
    complaints
    ok "the kernel has no complaint" [ ! -s "$t/out" ]
    echo "# end"
    exit 0
fi

t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
initrd wait 'echo guest-waits
while :; do sleep 1; done'
LAB_OPTIONS=--icount LAB_ENV="PART=killed BERTH_MOMENTS=$BERTH_MOMENTS" boot_lab "$here/t_own.sh" stock
LAB_ENV="PART=gone" boot_lab "$here/t_own.sh" stock
total

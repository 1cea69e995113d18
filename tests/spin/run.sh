#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The model of ownership, checked whole: no bit-state hashing, no depth cut off. run.sh STATES [--mutant | --long]
#   STATES    the program that prints the tables (tests/states)
#   --mutant  only the mutants: models with one thing taken away, each of which must be found wrong
#   --long    two more spaces, of a group of two functions: with two crashes, and with a crash and a write that hangs
# One space has all that can go wrong at once: a PF with its VF, a crash, a write that hangs, a step that fails, a power cut.
# Two functions of one group add what is between them (a group that is split), which no other group takes part in: they
# are looked at alone.
set -u
states=$(realpath "$1") only=${2-}
cd "$(dirname "$0")" || exit 1
if ! command -v spin >/dev/null; then
    echo "0 passed, 0 failed, 1 skipped"
    echo "spin is not installed (Debian: spin)" >&2
    exit 1
fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
pass=0 fail=0 total=0
"$states" pml >"$tmp/tables.pml" && cp ownership.pml "$tmp/" || exit 1
cd "$tmp" || exit 1

# Build and run one; the verifier's words are in $tmp/out.
check() { # DEFINES…
    rm -f pan ownership.pml.trail
    spin -a "$@" ownership.pml >spin.log 2>&1 && gcc -O1 -w -DSAFETY -DNOFAIR -DCOLLAPSE -DMEMLIM=3500 -o pan pan.c 2>>spin.log || {
        cat spin.log
        return 1
    }
    ./pan -m200000 -w24 -n >out 2>&1
}

whole() { # NAME DEFINES…
    local name=$1 stored moves errors
    shift
    check "$@" || { fail=$((fail + 1)) && return; }
    stored=$(awk '/states, stored/ { print $1; exit }' out)
    moves=$(awk '/transitions \(=/ { print $1; exit }' out)
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' out)
    if [ "$errors" = 0 ] && ! grep -qiE 'search not completed|max search depth too small|out of memory|reached memory' out; then
        echo "ok - $name: $stored states, $moves transitions, errors 0"
        pass=$((pass + 1)) total=$((total + stored))
    else
        echo "not ok - $name: $stored states, $moves transitions, errors ${errors:-?}"
        grep -iE 'assert|invalid|not completed|too small|memory' out | head -n 5
        [ -f ownership.pml.trail ] && spin -t -p "$@" ownership.pml 2>&1 | tail -n 40
        fail=$((fail + 1))
    fi
}

mutant() { # NAME DEFINES…
    local name=$1
    shift
    check "$@" || { fail=$((fail + 1)) && return; }
    if grep -qE '^pan:1: (assertion violated|invalid end state)' out; then
        echo "ok - $name is found wrong: $(sed -n 's/^pan:1: //p' out | head -n 1 | cut -c1-100)"
        pass=$((pass + 1))
    else
        echo "not ok - $name goes unnoticed"
        fail=$((fail + 1))
    fi
}

if [ "$only" != --mutant ]; then
    whole "PF and VF, a crash, a hang, a step fails" -DCRASHES=1 -DHANGS=1 -DFAULTS=1
    whole "PF and VF, two crashes" -DCRASHES=2 -DHANGS=0 -DFAULTS=0
    whole "two functions, a crash, a step fails" -DPAIR -DCRASHES=1 -DHANGS=0 -DFAULTS=1
    whole "two functions, a hang for ever" -DPAIR -DFOREVER -DCRASHES=0 -DHANGS=1 -DFAULTS=0
fi
if [ "$only" = --long ]; then
    whole "two functions, two crashes" -DPAIR -DCRASHES=2 -DHANGS=0 -DFAULTS=0
    whole "two functions, a crash, a hang" -DPAIR -DCRASHES=1 -DHANGS=1 -DFAULTS=0
fi
mutant "a ledger without index and lock" -DMUTANT_INDEX -DPAIR -DCRASHES=0 -DHANGS=0 -DFAULTS=0
mutant "a group that nobody marks while a write hangs" -DMUTANT_BUSY -DPAIR -DCRASHES=0 -DHANGS=1 -DFAULTS=0
mutant "one function of two moved" -DMUTANT_MEMBERS -DPAIR -DCRASHES=0 -DHANGS=0 -DFAULTS=0
mutant "rows from before the power cut believed" -DMUTANT_BOOT -DPAIR -DCRASHES=0 -DHANGS=0 -DFAULTS=0
mutant "the lock kept by whoever waits" -DMUTANT_LOCK -DFOREVER -DPAIR -DCRASHES=0 -DHANGS=1 -DFAULTS=0
[ "$only" = --mutant ] || echo "$total states in all"
echo "$pass passed, $fail failed, 0 skipped"
[ "$fail" -eq 0 ]

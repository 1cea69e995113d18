#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Races between verbs: one device has one winner, and any history has an order that explains it.
#   run.sh [ROUNDS OPERATIONS]      reduced numbers without; `make check-races` runs the full ones
# $BERTH_BUILD has tests/race/race and tests/kill/berth-fake.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BERTH_BUILD:=build/gcc}"
rounds=${1:-40} operations=${2:-1600}
pass=0 fail=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

ok() { # NAME COMMAND…
    local name=$1
    shift
    if "$@" >"$tmp/out" 2>&1; then
        echo "ok - $name: $(tail -n 1 "$tmp/out")"
        pass=$((pass + 1))
    else
        sed 's/^/    /' "$tmp/out" | tail -n 20
        echo "not ok - $name"
        fail=$((fail + 1))
    fi
}

# Pieces of 2,000 operations, each on a new ledger, so that its size is not what is measured.
history() { # PROCESSES DEVICES OPERATIONS
    local left=$3 piece seed=1
    while [ "$left" -gt 0 ]; do
        piece=$((left > 2000 ? 2000 : left))
        RACE_SEED=$seed "$BERTH_BUILD/tests/race/race" ops "$1" "$2" $piece >"$tmp/history" || return 1
        tests/race/linear.py "$tmp/history" >"$tmp/verdict" || { cat "$tmp/verdict"; return 1; }
        awk '{ o = $1; c = $6 } END { print o, c }' "$tmp/verdict" >>"$tmp/sums"
        left=$((left - piece))
        seed=$((seed + 16))
    done
    awk '{ o += $1; c += $2 } END { print o " operations, " c " changes: 0 violations" }' "$tmp/sums"
}

ok "64 processes assign one device" "$BERTH_BUILD/tests/race/race" winner 64 "$rounds"
ok "64 times the program assigns one device" \
    env RACE_PROGRAM="$BERTH_BUILD/tests/kill/berth-fake" "$BERTH_BUILD/tests/race/race" winner 64 $((rounds / 10 + 1))
ok "16 processes on 8 devices" history 16 8 "$operations"
echo "$pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]

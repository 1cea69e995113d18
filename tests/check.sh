#!/bin/bash
# The whole gate, as `make check` runs it: each stage prints its own lines; the last line adds up all of them.
# With SAN= or CC= given, only that variant's unit and lab tests run.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
BERTH_TALLY=$(mktemp) || exit 1
export BERTH_TALLY
trap 'rm -f "$BERTH_TALLY"' EXIT
jobs=$(nproc)
failed=0

stage() { # NAME COMMAND…
    local name=$1 start=$SECONDS
    shift
    echo "== $name"
    if "$@"; then
        echo "== $name: ok, $((SECONDS - start)) s"
    else
        echo "== $name: FAILED, $((SECONDS - start)) s"
        failed=1
    fi
}

tally_one() { # COMMAND…: a check without a count of its own is one test
    if "$@"; then echo "1 0 0" >>"$BERTH_TALLY"; else echo "0 1 0" >>"$BERTH_TALLY"; return 1; fi
}

# The lab's kernel with iommufd is built once, and only when there is time: the gate has 60 minutes, its lab tests take 15.
# Without it the tests that need it say so and count as skipped.
lab_kernel() {
    tests/lab/lab kernel --cached && return
    if [ $SECONDS -ge 720 ]; then
        echo "lab kernel: not built, $SECONDS s of the gate have passed; tests over iommufd will be skipped"
        return
    fi
    timeout 1500 make --no-print-directory lab-kernel
    case $? in
    0) ;;
    124) echo "lab kernel: not built within 25 minutes; tests over iommufd will be skipped ('make lab-kernel' has no limit)" ;;
    *) return 1 ;;
    esac
}

build() { make --no-print-directory -j"$jobs" "$@"; }

stage deps make --no-print-directory deps
if [ -n "${SAN:-}" ]; then
    stage "unit tests with $SAN" build unit SAN="$SAN" WERROR=1
else
    stage format tally_one make --no-print-directory check-format
    stage "build and unit tests" build all unit WERROR=1
    stage "clang build" tally_one make --no-print-directory -j"$jobs" all CC=clang WERROR=1
    stage "unit tests with address,undefined" build unit SAN=address,undefined WERROR=1
    stage "fuzz, a minute each" build fuzz FUZZ_SEED=1
    stage "branch coverage" build coverage
    stage "kill sweep, one place in 20" tally_one env KILL_STEP=20 make --no-print-directory -j"$jobs" check-kill
    stage "races" build races
    stage "lab kernel" lab_kernel
    stage "lab tests" build check-lab WERROR=1 # as above, or all would be built again
fi
awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }' "$BERTH_TALLY" || failed=1
exit $failed

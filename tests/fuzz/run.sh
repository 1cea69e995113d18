#!/bin/bash
# Run fuzzers: first their kept corpus once, as a regression test, then each for a while, several at a time.
#   tests/fuzz/run.sh DIR SECONDS JOBS FUZZER:MAX_LEN:SEED,SEED… …
# With FUZZ_SEED the search begins the same each time, as the gate wants it: what it says is then about the change before it,
# not about the dice. Without, each run looks elsewhere; libFuzzer writes its seed into the log.
# New inputs go to DIR/corpus/FUZZER, what fails to DIR/FUZZER-crash-…; a line per fuzzer, and one of totals at the end.
set -u
dir=$1 seconds=$2 jobs=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
export ASAN_OPTIONS=${ASAN_OPTIONS:-} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

fuzz() { # FUZZER MAX_LEN SEEDS
    local name=$1 max=$2 seeds=${3//,/ } kept=$here/corpus/$1 new=$dir/corpus/$1 log=$dir/$1.log
    local common="${FUZZ_SEED:+-seed=$FUZZ_SEED }-max_len=$max -len_control=0 -timeout=10 -rss_limit_mb=1024 -artifact_prefix=$dir/$1-"
    mkdir -p "$new"
    # shellcheck disable=SC2086
    [ -z "$seeds" ] || cp $seeds "$new"
    # shellcheck disable=SC2086
    "$dir/$name" $common -runs=0 ${kept:+$([ -d "$kept" ] && echo "$kept")} >"$log" 2>&1 &&
        "$dir/$name" $common -max_total_time="$seconds" -print_final_stats=1 "$new" \
            $([ -d "$kept" ] && echo "$kept") >>"$log" 2>&1
}

one() {
    local name=$1 log=$dir/$1.log
    if fuzz "$@"; then
        echo "ok - $name: $(sed -n 's/^Done \(.*\)/\1/p' "$log" | tail -n 1)"
    else
        tail -n 60 "$log" | sed 's/^/    /'
        echo "not ok - $name: an input made it fail, see $log"
    fi
}

out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
for spec in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    IFS=: read -r name max seeds <<<"$spec"
    one "$name" "$max" "$seeds" >>"$out" &
done
wait
cat "$out"
pass=$(grep -c '^ok - ' "$out")
fail=$(grep -c '^not ok - ' "$out")
[ -z "${BERTH_TALLY:-}" ] || echo "$pass $fail 0" >>"$BERTH_TALLY"
echo "$pass passed, $fail failed, 0 skipped"
[ "$fail" -eq 0 ]

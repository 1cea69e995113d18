#!/bin/bash
# Run test programs, as many at once as told, and add up what they counted.
#   tests/run.sh [--jobs N] --progs DIR TEST…
# A TEST is a cmocka program, or a script that ends with a line "N passed, N failed, N skipped". $BERTH_BUILD names DIR for
# scripts. Tells of each in the order given: of one that failed its output but for what passed, of the others the closing
# lines. With $BERTH_TALLY set, the totals are also appended to that file. Ends with one line of totals; exit 1 when
# anything failed or ended without a count.
set -u
jobs=1
[ "$1" = --jobs ] && jobs=$2 && shift 2
[ "$1" = --progs ] && BERTH_BUILD=$(realpath "$2") && shift 2
export BERTH_BUILD
pass=0 fail=0 skip=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

run() { # NUMBER TEST
    "$2" >"$dir/$1.log" 2>&1
    echo $? >"$dir/$1.new" && mv "$dir/$1.new" "$dir/$1.status"
}

tell() { # NUMBER TEST
    local log=$dir/$1.log status last p f s
    status=$(cat "$dir/$1.status")
    if grep -q '^\[==========\]' "$log"; then
        p=$(grep -c '^\[       OK \]' "$log")
        # cmocka lists the failed and the skipped ones a second time at its end
        f=$(grep -E '^\[  FAILED  \] [a-zA-Z0-9_]+$' "$log" | sort -u | wc -l)
        s=$(grep -E '^\[  SKIPPED \] [a-zA-Z0-9_]+$' "$log" | sort -u | wc -l)
    else
        last=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1)
        read -r p _ f _ s _ <<<"${last:-0 passed, 0 failed, 0 skipped}"
        [ -n "$last" ] || { echo "$2: ended without a count" >>"$log"; status=1; }
    fi
    if [ "$status" -ne 0 ] || [ "$f" -gt 0 ]; then
        [ "$f" -gt 0 ] || f=1
        echo "FAILED: $2 (exit status $status)"
        grep -vE '^ok - |^\[ RUN|^\[       OK' "$log" | sed 's/^/    /'
        grep -cE '^ok - |^\[       OK' "$log" | sed 's/$/ passed before and after/; s/^/    /'
    else
        echo "$2:"
        grep -E '^\[==========\]|^\[  PASSED  \]|^\[  SKIPPED \]|^skip|# skip|^[0-9]+ passed, ' "$log" | sed 's/^/    /'
    fi
    pass=$((pass + p)) fail=$((fail + f)) skip=$((skip + s))
}

tests=("$@")
told=0
tell_finished() {
    while [ $told -lt ${#tests[@]} ] && [ -e "$dir/$told.status" ]; do
        tell $told "${tests[told]}"
        told=$((told + 1))
    done
}

for i in "${!tests[@]}"; do
    [ "$i" -lt "$jobs" ] || wait -n
    tell_finished
    run "$i" "${tests[i]}" &
done
wait
tell_finished
[ -z "${BERTH_TALLY:-}" ] || echo "$pass $fail $skip" >>"$BERTH_TALLY"
echo "$pass passed, $fail failed, $skip skipped"
[ $fail -eq 0 ]

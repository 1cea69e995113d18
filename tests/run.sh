#!/bin/sh
# Run test programs one after another and add up what they counted.
#   tests/run.sh --progs DIR TEST…
# A TEST is a cmocka program, or a script that ends with a line "N passed, N failed, N skipped". $BERTH_BUILD names DIR for
# scripts. Shows a program's output but for what passed when it fails, its closing lines when it passes. With $BERTH_TALLY set, the
# totals are also appended to that file. Ends with one line of totals; exit 1 when anything failed or ended without a count.
set -u
[ "$1" = --progs ] && BERTH_BUILD=$(realpath "$2") && shift 2
export BERTH_BUILD
pass=0 fail=0 skip=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
for t in "$@"; do
    "$t" >"$log" 2>&1
    status=$?
    if grep -q '^\[==========\]' "$log"; then
        p=$(grep -c '^\[       OK \]' "$log")
        # cmocka lists the failed and the skipped ones a second time at its end
        f=$(grep -E '^\[  FAILED  \] [a-zA-Z0-9_]+$' "$log" | sort -u | wc -l)
        s=$(grep -E '^\[  SKIPPED \] [a-zA-Z0-9_]+$' "$log" | sort -u | wc -l)
    else
        last=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1)
        # shellcheck disable=SC2086
        set -- ${last:-0 passed, 0 failed, 0 skipped} "$@"
        p=$1 f=$3 s=$5
        shift 6
        [ -n "$last" ] || { echo "$t: ended without a count" >>"$log"; status=1; }
    fi
    if [ $status -ne 0 ] || [ "$f" -gt 0 ]; then
        [ "$f" -gt 0 ] || f=1
        echo "FAILED: $t (exit status $status)"
        grep -vE '^ok - |^\[ RUN|^\[       OK' "$log" | sed 's/^/    /' # what matters, without what went well
        grep -cE '^ok - |^\[       OK' "$log" | sed 's/$/ passed before and after/; s/^/    /'
    else
        echo "$t:"
        grep -E '^\[==========\]|^\[  PASSED  \]|^\[  SKIPPED \]|^skip|# skip|^[0-9]+ passed, ' "$log" | sed 's/^/    /'
    fi
    pass=$((pass + p)) fail=$((fail + f)) skip=$((skip + s))
done
[ -z "${BERTH_TALLY:-}" ] || echo "$pass $fail $skip" >>"$BERTH_TALLY"
echo "$pass passed, $fail failed, $skip skipped"
[ $fail -eq 0 ]

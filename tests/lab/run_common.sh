# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the lab tests of `berth run`: sourced by t_run.sh and t_sandbox.sh, outside and inside the lab. $t: scratch folder.

: "${BERTH_BUILD:=$PWD/build/gcc}"
berth=$BERTH_BUILD/berth

ok() { # NAME COMMAND...
    name=$1
    shift
    if "$@"; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        sed 's/^/    /' "$t/out" "$t/err" 2>/dev/null
    fi
}

# --- inside the lab

try() { # ARGUMENTS...: of berth; leaves $status, $t/out and $t/err
    "$berth" "$@" >"$t/out" 2>"$t/err" </dev/null
    status=$?
}

says() { # FILE TEXT
    grep -qF -- "$2" "$t/$1"
}

refused() { # STATUS TEXT: and nothing on stdout
    [ $status -eq "$1" ] && says err "$2" && ! [ -s "$t/out" ] && [ "$(wc -l <"$t/err")" -eq 1 ]
}

driver() { # BDF DRIVER
    [ "$(basename "$(readlink "/sys/bus/pci/devices/$1/driver")")" = "$2" ]
}

guest() { # INITRD ARGUMENTS...
    initrd=$1
    shift
    try run --name t1 --kernel "$LAB_GUEST_KERNEL" --initrd "$t/$initrd" --cmdline "console=ttyS0 quiet" --memory 256M --timeout 300 "$@"
}

complaints() {
    dmesg | grep -E 'WARNING:|BUG:|Oops|DMAR: \[DMA|type=1326' >"$t/out"
}

# --- outside

initrd() { # NAME SCRIPT ARGUMENTS...
    printf '%s\n' "$2" >"$t/script"
    name=$1
    shift 2
    tests/lab/guest-initrd "$@" --run "$t/script" -o "$t/$name.img"
}

pass=0 fail=0 skip=0

boot_lab() { # SCRIPT KERNEL: with "inside", $t and KERNEL; prints its lines, adds to the count
    # shellcheck disable=SC2086
    tests/lab/lab run --kernel "$2" ${LAB_OPTIONS-} --timeout 900 --out "$t/lab" -- env BERTH_BUILD="$BERTH_BUILD" BERTH_RUN=/run/berth-test \
        BERTH_STATE=/run/berth-state ${LAB_ENV-} "$1" inside "$t" "$2" >"$t/log" 2>"$t/lab-err"
    lab=$?
    cat "$t/log"
    if [ $lab -ne 0 ] || ! grep -q '^# end$' "$t/log"; then
        echo "not ok - the lab ended with status $lab" | tee -a "$t/log"
        cat "$t/lab-err"
    fi
    pass=$((pass + $(grep -c '^ok ' "$t/log"))) fail=$((fail + $(grep -c '^not ok ' "$t/log")))
}

total() {
    echo "$pass passed, $fail failed, $skip skipped"
    [ "$fail" -eq 0 ] && [ "$pass" -gt 0 ]
}

run_in_lab() { # SCRIPT: one boot of the stock kernel, and the count
    boot_lab "$1" stock
    total
}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The programs that are installed have no failpoints: neither their code nor the names that would control them.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BERTH_BUILD:=build/gcc}"
pass=0 fail=0

for program in berth berth-vmm; do
    if nm "$BERTH_BUILD/$program" | grep -q failpoint || grep -qa BERTH_FAILPOINT "$BERTH_BUILD/$program"; then
        echo "not ok - $program has failpoints in it"
        fail=$((fail + 1))
    else
        echo "ok - $program has no failpoints in it"
        pass=$((pass + 1))
    fi
done
# The two questions above must be able to say yes.
if nm "$BERTH_BUILD/tests/test_failpoint" | grep -q failpoint && grep -qa BERTH_FAILPOINT "$BERTH_BUILD/tests/test_failpoint"; then
    echo "ok - the check sees failpoints where there are some"
    pass=$((pass + 1))
else
    echo "not ok - the check sees failpoints where there are some"
    fail=$((fail + 1))
fi
echo "$pass passed, $fail failed, 0 skipped"
[ $fail -eq 0 ]

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# docs/state-machine.md is what the tables of the program give.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BERTH_BUILD:=build/gcc}"
tmp=$(mktemp) || exit 1
trap 'rm -f "$tmp"' EXIT
if "$BERTH_BUILD/states" md >"$tmp" && diff -u docs/state-machine.md "$tmp"; then
    echo "ok - docs/state-machine.md is what the tables give"
    echo "1 passed, 0 failed, 0 skipped"
else
    echo "not ok - docs/state-machine.md is not what the tables give; run 'make docs-state'"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi

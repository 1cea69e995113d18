#!/bin/bash
# Branch coverage of the library by unit tests and the fuzzers' kept inputs (clang's source-based coverage).
#   tests/coverage.sh DIR FILE… -- PROGRAM…
# DIR is the build of `make coverage`. Prints branches per source file; fails when one of the FILEs is not covered whole.
set -eu
cd "$(dirname "$0")/.."
dir=$1
shift
whole=()
while [ "$1" != -- ]; do whole+=("$1"); shift; done
shift
rm -rf "$dir/prof"
mkdir -p "$dir/prof"
export LLVM_PROFILE_FILE="$PWD/$dir/prof/%m.profraw" BERTH_SEED=1 BERTH_BUILD="$PWD/$dir"
objects=()
for program in "$@"; do
    name=$(basename "$program")
    case $name in
    fuzz_*)
        [ -d "tests/fuzz/corpus/$name" ] || continue
        "$program" -runs=0 "tests/fuzz/corpus/$name" >"$dir/prof/$name.log" 2>&1 || { cat "$dir/prof/$name.log"; exit 1; } ;;
    *) "$program" >"$dir/prof/$name.log" 2>&1 || { cat "$dir/prof/$name.log"; exit 1; } ;;
    esac
    objects+=(-object "$program")
done
llvm-profdata merge -sparse -o "$dir/prof/all.profdata" "$dir"/prof/*.profraw
llvm-cov export -summary-only -instr-profile "$dir/prof/all.profdata" "${objects[@]}" >"$dir/coverage.json" 2>"$dir/prof/export.log"
python3 - "$dir/coverage.json" "${whole[@]}" <<'PYTHON'
import json, os, sys

files = {os.path.relpath(f["filename"]): f["summary"] for d in json.load(open(sys.argv[1]))["data"] for f in d["files"]}
missing = []
print(f"{'branches':>12}      {'lines':>12}")
for name, s in sorted(files.items()):
    if not name.startswith("src/") or not s["branches"]["count"]:
        continue
    b, l = s["branches"], s["lines"]
    print(f"{b['covered']:5}/{b['count']:<6} {b['percent']:4.0f} %  {l['covered']:5}/{l['count']:<6} {l['percent']:4.0f} %  {name}")
for name in sys.argv[2:]:
    b = files.get(name, {"branches": {"covered": 0, "count": -1}})["branches"]
    ok = b["covered"] == b["count"]
    print(f"{'ok' if ok else 'not ok'} - every branch of {name} is covered ({b['covered']} of {b['count']})")
    missing += [] if ok else [name]
print(f"{len(sys.argv) - 2 - len(missing)} passed, {len(missing)} failed, 0 skipped")
if os.environ.get("BERTH_TALLY"):
    open(os.environ["BERTH_TALLY"], "a").write(f"{len(sys.argv) - 2 - len(missing)} {len(missing)} 0\n")
sys.exit(1 if missing else 0)
PYTHON

#!/bin/bash
# Keep the smallest set of inputs that reaches all the code that corpus and finds reach: tests/fuzz/merge.sh DIR FUZZER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$1 name=$2 kept=$here/corpus/$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$kept" "$dir/corpus/$name"
"$dir/$name" -merge=1 -use_counters=0 -timeout=5 "$tmp" "$kept" "$dir/corpus/$name" >"$dir/$name.merge.log" 2>&1
rm -rf "$kept"
mv "$tmp" "$kept"
mkdir "$tmp"
chmod 755 "$kept"
echo "$name: $(find "$kept" -type f | wc -l) inputs, $(du -sb "$kept" | cut -f1) bytes"

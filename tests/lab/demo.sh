#!/bin/bash
# The main job, end to end, on the lab's emulated GPU and NIC: list, doctor, plan, assign, run, release.
#   tests/lab/demo.sh BUILD-FOLDER
# What the guest drew is left in build/demo/guest-screen.png.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "$1")
out=$PWD/build/demo
mkdir -p "$out"
rm -f "$out/guest-screen.png"

echo "Berth's demo. The machine below is emulated; its VFIO and its KVM are the Linux kernel's own."
tests/lab/lab setup
tests/lab/guest-initrd --kernel-modules igb,bochs --add build/guest/draw:/bin/draw \
    --run tests/lab/guest/demo.sh -o "$out/initrd"
start=$SECONDS
status=0
tests/lab/lab run --topology gpu-nic --out "$out" --timeout 240 -- \
    env PATH="$build:$PATH" tests/lab/demo-inside.sh || status=$?
if [ $status -ne 0 ] || [ ! -s "$out/guest-screen.png" ]; then
    echo "The demo did not come to its end (status $status); the lab's console is in ${out#"$PWD"/}/console.log" >&2
    exit 1
fi
echo
echo "Done in $((SECONDS - start)) s. What the guest drew: ${out#"$PWD"/}/guest-screen.png"

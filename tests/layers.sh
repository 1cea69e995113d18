#!/bin/sh
# Who may include whom. A line of the table: a layer and the layers whose headers it may include besides its own.
# Also: each third-party library has one owner file that includes its header.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=$(
    while read -r layer allowed; do
        grep -nHE '^#include "[a-z]+/' src/"$layer"/*.[ch] 2>/dev/null | while IFS=: read -r file line text; do
            dep=$(printf '%s' "$text" | sed 's/^#include "\([a-z]*\)\/.*/\1/')
            case " $layer $allowed " in
            *" $dep "*) ;;
            *) echo "$file:$line: layer $layer may not include $dep/" ;;
            esac
        done
    done <<'TABLE'
base
uapi
iommu base uapi
vfio base uapi iommu
vmm base uapi iommu vfio
policy base
manager base iommu vfio policy
TABLE
    # header | the only files that may include it
    while read -r header owners; do
        grep -rlE "^#include <$header>" src tools 2>/dev/null | while read -r file; do
            case " $owners " in
            *" $file "*) ;;
            *) echo "$file: <$header> belongs to $owners" ;;
            esac
        done
    done <<'TABLE'
pci/pci.h src/vfio/inventory.c src/vfio/pcilib.c
libudev.h src/vfio/monitor.c
netlink/.* src/vfio/netdev.c
jansson.h src/base/json.h
sqlite3.h src/policy/db.c src/policy/db_file.c
nettle/.* src/policy/chain.c
libsmartcols/libsmartcols.h tools/out.c
seccomp.h src/vmm/sandbox_rules.c
TABLE
)
if [ -n "$bad" ]; then
    printf '%s\n' "$bad" >&2
    exit 1
fi
echo "layers: ok"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each call that changes something outside the process, in the libraries that the manager stands on, lies in a function with
# a failpoint on both sides, or is in the table of exceptions below with the reason. So whatever verb is added, the kill
# sweep (make check-kill) meets its changes.
set -u
cd "$(dirname "$0")/.." || exit 1

# What changes something: files and attributes, configuration space, resets, network settings, transactions, programs.
calls='write|pwrite|writev|dprintf|rename|renameat2?|unlink|unlinkat|mkdir|mkdirat|symlink|symlinkat|link|linkat|truncate|ftruncate|fallocate|f?chmod|fchmodat|f?chown|fchownat|setxattr|mknod|mknodat|mount|umount2?|execl|execve|execvp|posix_spawn|rtnl_link_change|rtnl_link_add|nl_send[a-z_]*'
texts='"COMMIT"|VFIO_DEVICE_RESET[),]|VFIO_DEVICE_PCI_HOT_RESET[),]'

# file function why it needs none
exceptions='
src/base/failpoint.c berth_failpoint_hit the log of the failpoints themselves
src/base/fd.c berth_write_all used for pipes and sockets between our own processes
src/vfio/device.c kernel_write registers of a device that VFIO has open; its reset is what counts, and has them
src/vfio/module.c exec_modprobe child of berth_module_load, which has them
src/vfio/netdev.c set_vf child of set_field, which has them
src/policy/ledger.c make_dir folder of the ledger: made again by whoever comes next
src/manager/lock.c make_dir folder of the lock: made again by whoever comes next
src/vfio/kept.c open_folder made again by whoever comes next
src/vfio/kept.c replace a text in memory beside the host: lost, something is unknown, and unknown is refused
src/base/child.c put_line in the child of berth_child_run, whose users have them; a note of no meaning but to waiting
src/base/child.c drop_note empties that note
src/manager/busy.c open_mark an empty file to be locked: made again by whoever comes next
src/manager/busy.c berth_busy_forget the file of an assignment that has ended; ids never come again
src/policy/repin.c take_place a policy file of the administrator: one rename, the old text or the new, and no verb builds on it
src/policy/repin.c replace the file that take_place renames: under a name that no reader of the folder looks at
src/manager/lock.c berth_lock_take a pid for one sentence, of no meaning to the program
'

# Functions of one file as "name line text": in this style a function ends with a brace in column 1.
bodies() {
    awk '
        /^[a-z].*\(/ && !/;[ \t]*$/ && !/^(typedef|struct [a-z_]+ \{)/ && !inside {
            name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
        }
        /^\{/ { inside = 1 }
        inside { print name, FNR, $0 }
        /^\}/ { inside = 0 }' "$1"
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
bad=$(
    for file in src/base/*.c src/iommu/*.c src/policy/*.c src/vfio/*.c src/manager/*.c; do
        bodies "$file" | awk -v file="$file" -v calls="(^|[^a-z_>.])($calls)\\\\(" -v texts="$texts" -v table="$exceptions" '
            BEGIN {
                n = split(table, rows, "\n")
                for (i = 1; i <= n; i++) {
                    split(rows[i], w, " ")
                    if (w[1] == file)
                        excepted[w[2]] = 1
                }
            }
            {
                name = $1; line = $2; text = $0
                sub(/^[^ ]+ [0-9]+ /, "", text)
                if (text ~ /^[ \t]*(\/?\*|\/\/)/)
                    next
                if (text ~ calls || text ~ texts)
                    change[name] = change[name] " " line
                if (text ~ /berth_failpoint_before\(/)
                    before[name] = 1
                if (text ~ /berth_failpoint_after\(/)
                    after[name] = 1
            }
            END {
                for (name in change) {
                    if (name in excepted)
                        used[name] = 1
                    else if (!(name in before) || !(name in after))
                        print file ": " name "() changes something (line" change[name] ") without a failpoint on both sides"
                }
                for (name in excepted)
                    if (!(name in used))
                        print file ": " name "() is excepted, and changes nothing"
            }'
    done
    # A name with only one side somewhere is a mistake, too.
    for side in before after; do
        grep -rhoE "berth_failpoint_$side\([^;]*" src --include='*.c' | sed 's/^[^(]*(//; s/, *\(NULL\|err\)).*//' | sort -u >"$tmp/$side"
    done
    diff "$tmp/before" "$tmp/after" | sed -n 's/^[<>] /one side only: /p'
)
if [ -n "$bad" ]; then
    printf '%s\n' "$bad" >&2
    exit 1
fi
echo "failpoints: ok"

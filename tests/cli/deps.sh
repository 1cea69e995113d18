#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# deps.sh sees what is missing, and what is too old: on a machine whose package database is made up here.
set -u
cd "$(dirname "$0")/../.." || exit 1
t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
pass=0 fail=0

# A dpkg-query that has every package but those in $LACKS (some as a database has them after a removal), and QEMU $QEMU.
cat >"$t/dpkg-query" <<'EOF'
#!/bin/sh
shift 2
for p; do
	case " $LACKS " in
	*" -$p "*) continue ;;
	*" $p "*) echo "$p config-files 1" ;;
	*) if [ "$p" = qemu-system-x86 ]; then echo "$p installed $QEMU"; else echo "$p installed 1:1.0"; fi ;;
	esac
done
EOF
chmod +x "$t/dpkg-query"

want() { # NAME LACKS QEMU WANTED
	got=$(LACKS=$2 QEMU=$3 PATH=$t:$PATH sh packaging/deps.sh missing | sort -u | tr '\n' ' ')
	if [ "$got" = "$4" ]; then
		pass=$((pass + 1))
	else
		fail=$((fail + 1))
		echo "not ok - $1: '$got', not '$4'"
	fi
}

want "all is there" "" 1:8.2 ""
want "a package that was never here" -nettle-dev 1:8.2 "nettle-dev "
want "one that was removed" "scdoc -gcc" 1:8.2 "gcc scdoc "
want "a QEMU that is too old" "" 1:7.2+dfsg "qemu-system-x86 "
want "no QEMU" -qemu-system-x86 - "qemu-system-x86 "
echo "$pass passed, $fail failed, 0 skipped"
[ "$fail" = 0 ]

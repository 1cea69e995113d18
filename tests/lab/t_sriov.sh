#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# SR-IOV, VF network settings, policy's "bind": "auto" and the monitor, with the real udevd, igb and vfio-pci.
# One boot; the same script runs inside the lab: `t_sriov.sh inside`.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
: "${BERTH_BUILD:=$top/build/gcc}"

if [ "${1:-}" != inside ]; then
    out=$("$here/lab" run --topology sriov --memory 2G --timeout 900 -- \
        env BERTH_BUILD="$BERTH_BUILD" "$here/t_sriov.sh" inside)
    status=$?
    printf '%s\n' "$out"
    pass=$(printf '%s\n' "$out" | grep -c '^ok - ')
    fail=$(printf '%s\n' "$out" | grep -c '^not ok - ')
    # the inner script ends with this line; without it something is missing, not passed
    printf '%s\n' "$out" | grep -qx '# all done' || { echo "not ok - the lab ran all checks (status $status)"; fail=$((fail + 1)); }
    echo "$pass passed, $fail failed, 0 skipped"
    [ $fail -eq 0 ]
    exit
fi

berth=$BERTH_BUILD/berth
pci=/sys/bus/pci/devices
pf=0000:01:00.0
vf0=0000:01:10.0 vf1=0000:01:10.2 vf2=0000:01:10.4
edu=0000:03:00.0
nvme=0000:04:00.0

ok() { # NAME COMMAND...
    name=$1
    shift
    if said=$("$@" 2>&1); then
        echo "ok - $name"
    else
        echo "not ok - $name"
        printf '%s\n' "$said" | sed 's/^/#   /'
    fi
}

driver() { # BDF DRIVER (- for none)
    now=-
    [ -e "$pci/$1/driver" ] && now=$(basename "$(readlink "$pci/$1/driver")")
    [ "$now" = "$2" ] || { echo "$1 has driver $now, not $2"; false; }
}

comes_to() { # BDF DRIVER: within some seconds
    for _ in $(seq 100); do
        driver "$1" "$2" >/dev/null && return 0
        sleep 0.1
    done
    driver "$1" "$2"
}

silent_about() { # WORD: the kernel's log since the last `dmesg -C` does not have it
    ! dmesg | grep "$1"
}

said() { # WORDS: it does
    dmesg | grep -F -- "$1" || { echo "the kernel's log does not say: $1"; dmesg | tail -5; false; }
}

refused() { # WORDS COMMAND...: exit status 3, and the sentence has WORDS
    words=$1
    shift
    text=$("$@" 2>&1)
    status=$?
    [ $status = 3 ] && printf '%s\n' "$text" | grep -qF -- "$words" || { echo "status $status: $text"; false; }
}

vf_line() { # N: what ip says of VF N
    ip link show "$(ls $pci/$pf/net)" | sed -n "s/^ *vf $1 *//p"
}

vf_has() { # N WORDS...
    line=$(vf_line "$1")
    shift
    for word in "$@"; do
        case $line in
        *"$word"*) ;;
        *) echo "'$word' is not in: $line"; return 1 ;;
        esac
    done
}

policy() { # stdin
    mkdir -p /etc/berth/policy.d
    cat >/etc/berth/policy.d/10-test.json
}

reappear() { # BDF
    echo 1 >"$pci/$1/remove"
    echo 1 >/sys/bus/pci/rescan
    udevadm settle --timeout=30
    [ -d "$pci/$1" ] || { echo "$1 did not come back"; false; }
}

monitor_saw() { # PYTHON CONDITION on e, one event
    python3 - "$1" <<'PY'
import json, sys
events = [json.loads(line) for line in open("/tmp/monitor.json")]
if not any(eval(sys.argv[1]) for e in events):
    sys.exit("\n".join(map(str, events)))
PY
}

json_of_show() {
    $berth sriov show --json $pf | python3 -c '
import json, sys
pf, = json.load(sys.stdin)["pfs"]
assert pf["bdf"] == "0000:01:00.0" and pf["driver"] == "igb" and pf["vfs"] == 3 and pf["total_vfs"] == 7, pf
vf = pf["children"][1]
assert vf["bdf"] == "0000:01:10.2" and vf["vf"] == 1 and vf["driver"] == "vfio-pci" and vf["owner"] == "t1", vf
assert vf["mac"] == "52:54:00:be:27:01" and vf["vlan"] == 40 and vf["trust"] is True and vf["spoofchk"] is False, vf
'
}

# The guest's own igbvf drives the VF and learns its MAC address from the PF.
guest_gets() { # BDF MAC
    cat >/tmp/guest.sh <<'SH'
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -e /sys/class/net/eth0 ] && break
    sleep 1
done
echo "guest-nic: $(cat /sys/class/net/eth0/address) $(basename "$(readlink /sys/class/net/eth0/device/driver)")"
SH
    chmod +x /tmp/guest.sh
    "$here/guest-initrd" --kernel-modules igbvf --run /tmp/guest.sh -o /tmp/guest.img || return 1
    $berth run --name t1 --kernel "$LAB_GUEST_KERNEL" --initrd /tmp/guest.img --cmdline "console=ttyS0 quiet" \
        --memory 256M --device "$1" --timeout 300 </dev/null >/tmp/guest.out || { cat /tmp/guest.out; return 1; }
    tr -d '\r' </tmp/guest.out | grep -qx "guest-nic: $2 igbvf" || { cat /tmp/guest.out; return 1; }
}

# --- the rule as make install would put it, then udevd

mkdir -p /etc/udev/rules.d
sed "s|@BINDIR@|$BERTH_BUILD|" "$top/udev-rules/60-berth.rules" >/etc/udev/rules.d/60-berth.rules
policy <<'JSON'
{ "version": 1,
  "devices": [ { "name": "tenant-vf", "match": { "pci.bdf": "0000:01:10.2" },
                 "net": { "mac": "52:54:00:be:27:01", "vlan": 40, "qos": 3, "trust": true, "spoofchk": false } } ],
  "classes": [ { "name": "vfs", "match": { "pci.id": "8086:10ca" }, "bind": "auto" } ],
  "rules": [ { "effect": "allow", "subject": { "any_vm": true }, "resource": { "any_device": true } } ] }
JSON
ok "the policy is as berth wants it" $berth sriov set $pf --vfs 3 --dry-run
"$here/udev-start"
$berth monitor --json >/tmp/monitor.json &
monitor=$!
ok "without a mark in policy udev leaves devices where they are" driver $pf igb

# --- VFs for guests

ip link set "$(ls $pci/$pf/net)" up
dmesg -C
ok "berth sriov set makes three VFs" $berth sriov set $pf --vfs 3
udevadm settle --timeout=30
for vf in $vf0 $vf1 $vf2; do
    ok "$vf is on vfio-pci" driver $vf vfio-pci
done
ok "igbvf never saw them" silent_about igbvf
ok "autoprobe is on again" grep -qx 1 $pci/$pf/sriov_drivers_autoprobe
ok "the PF is still igb's" driver $pf igb

# --- network settings of an assigned VF

ok "before, the VF has no settings of ours" vf_has 1 "link/ether 00:00:00:00:00:00" "spoof checking on" "trust off"
ok "assign the VF with the network settings" $berth assign $vf1 --vm t1
ok "ip reads the MAC address and the VLAN back" vf_has 1 "link/ether 52:54:00:be:27:01" "vlan 40" "qos 3"
ok "and spoof check and trust" vf_has 1 "spoof checking off" "trust on"
ok "the other VFs have none of it" vf_has 2 "link/ether 00:00:00:00:00:00" "spoof checking on" "trust off"
ok "sriov show --json has owner and settings" json_of_show
ok "a guest's igbvf drives the VF, with this MAC address" guest_gets $vf1 52:54:00:be:27:01
ok "afterwards the VF is still t1's, with its settings" vf_has 1 "link/ether 52:54:00:be:27:01" "vlan 40" "trust on"
ok "VFs cannot be removed while one is owned" refused "$vf1 is owned by t1" $berth sriov set $pf --vfs 0
ok "nor their number be changed" refused "$vf1 is owned by t1" $berth sriov set $pf --vfs 5
ok "all three are still there" [ -e $pci/$pf/virtfn2 ]
ok "release the VF" $berth release $vf1
ok "its settings are what they were" vf_has 1 "link/ether 00:00:00:00:00:00" "spoof checking on" "trust off"
ok "and no VLAN" sh -c "! ip link show $(ls $pci/$pf/net) | grep -q 'vf 1 .*vlan'"
ok "it is where policy wants it" driver $vf1 vfio-pci

# --- in use by somebody who is not berth

exec 9<>"/dev/vfio/$(basename "$(readlink $pci/$vf2/iommu_group)")"
ok "VFs cannot be removed while one is open" refused "in use by process" $berth sriov set $pf --vfs 0
exec 9>&-
ok "berth sriov set 0 removes them" $berth sriov set $pf --vfs 0
ok "they are gone" [ ! -e $pci/$pf/virtfn0 ]

# --- devices that come and go

policy <<'JSON'
{ "version": 1,
  "classes": [ { "name": "ours", "match": { "pci.id": ["1234:11e8", "1b36:0010"] }, "bind": "auto" } ],
  "rules": [ { "effect": "allow", "subject": { "any_vm": true }, "resource": { "any_device": true } } ] }
JSON
ok "edu, which policy marks, is removed and comes back" reappear $edu
ok "it ended on vfio-pci" driver $edu vfio-pci
ok "nvme, whose driver is loaded and faster, comes back" reappear $nvme
ok "it ended on vfio-pci, too" driver $nvme vfio-pci

rm /etc/berth/policy.d/10-test.json
dmesg -C
ok "without the mark nvme comes back" reappear $nvme
ok "and is the host's" comes_to $nvme nvme
ok "assign edu" $berth assign $edu --vm t1
ok "an owned device is removed and comes back" reappear $edu
ok "it is on vfio-pci for its owner" driver $edu vfio-pci
ok "status says so" sh -c "$berth status | grep -q 't1'"
ok "release edu" $berth release $edu

ok "VFs that policy does not mark" $berth sriov set $pf --vfs 1
ok "go to the host's driver" comes_to $vf0 igbvf
ok "which the kernel's log tells (so the silence above meant something)" said igbvf
ok "and can be removed" $berth sriov set $pf --vfs 0

# --- a policy that does not load

printf '{ "version": 1,\n "classes": [ }\n' | policy
dmesg -C
ok "with a broken policy edu comes back" reappear $edu
ok "and is left alone" driver $edu -
ok "one line says why" said "berth udev: $edu: left to the host, the policy is wrong: /etc/berth/policy.d/10-test.json:2:"
reappear $nvme
ok "and only one" [ "$(dmesg | grep -c 'berth udev: ')" = 1 ]

# --- what the monitor saw

kill -INT $monitor
wait $monitor
ok "the monitor ended well on Ctrl-C" [ $? = 0 ]
ok "it saw a VF come" monitor_saw 'e["event"] == "add" and e["bdf"] == "0000:01:10.0"'
ok "and its name" monitor_saw 'e["bdf"] == "0000:01:10.0" and "82576" in e["name"]'
ok "and vfio-pci take it" monitor_saw 'e["event"] == "bind" and e["bdf"] == "0000:01:10.0" and e["driver"] == "vfio-pci"'
ok "and edu go" monitor_saw 'e["event"] == "remove" and e["bdf"] == "0000:03:00.0" and e["driver"] is None'
echo "# all done"

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Is a host of berth-fake in a state that is right? Reads ledger and tree by itself, not through berth's code.

    checker.py ROOT FOUND     FOUND: what `found()` said of the host before berth touched it, as JSON

Ledger and tree must agree: one owner per group and device, groups never split between host and vfio-pci, what is owned
on vfio-pci and without DMA from before, what is not exactly as it was found; no step open in the journal, no state that
is only for the way, audit rows without a gap that end in the state the ledger has.
"""
import hashlib
import json
import os
import sqlite3
import struct
import sys

DEVICES = "sys/bus/pci/devices"
VF_NET = "vf-net"
BUS_MASTER = 4
SETTLED = ("assigned", "in-use", "quarantined", "faulted")


def read(root, path):
    with open(os.path.join(root, path), "rb") as f:
        return f.read()


def attribute(root, bdf, name):
    text = read(root, f"{DEVICES}/{bdf}/{name}").decode().strip()
    return "" if text == "(null)" else text


def driver(root, bdf):
    try:
        return os.path.basename(os.readlink(os.path.join(root, DEVICES, bdf, "driver")))
    except FileNotFoundError:
        return ""


def groups(root):
    base = os.path.join(root, "sys/kernel/iommu_groups")
    return {g: sorted(os.listdir(f"{base}/{g}/devices")) for g in os.listdir(base)}


def found(root):
    """How every function is now."""
    net = read(root, VF_NET).decode().strip()
    return {
        bdf: {
            "driver": driver(root, bdf),
            "override": attribute(root, bdf, "driver_override"),
            "power": attribute(root, bdf, "power/control"),
            "net": net if os.path.exists(os.path.join(root, DEVICES, bdf, "physfn")) else None,
        }
        for bdf in sorted(os.listdir(os.path.join(root, DEVICES)))
        if ".new-" not in bdf
    }


def rows(db, sql, *args):
    cursor = db.execute(sql, args)
    names = [c[0] for c in cursor.description]
    return [dict(zip(names, row)) for row in cursor]


def live(db):
    """Owner and state by device, of the rows that have not ended."""
    return {
        r["bdf"]: r
        for r in rows(
            db,
            "SELECT m.bdf, a.vm, a.state, a.grp, a.id, a.pid FROM assignment a JOIN member m ON m.assignment = a.id"
            " WHERE a.ended IS NULL",
        )
    }


def check_rows(db):
    if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
        yield "the ledger is damaged"
    for row in db.execute("PRAGMA foreign_key_check"):
        yield f"foreign key: {row}"
    for r in rows(db, "SELECT grp, count(*) AS n FROM assignment WHERE ended IS NULL GROUP BY grp HAVING n > 1"):
        yield f"I1: group {r['grp']} has {r['n']} owners"
    for r in rows(
        db,
        "SELECT m.bdf, count(*) AS n FROM member m JOIN assignment a ON a.id = m.assignment WHERE a.ended IS NULL"
        " GROUP BY m.bdf HAVING n > 1",
    ):
        yield f"I1: {r['bdf']} has {r['n']} owners"
    for r in rows(
        db,
        "SELECT p.grp FROM assignment p JOIN assignment c ON c.parent = p.grp WHERE p.ended IS NULL AND c.ended IS NULL"
        " AND p.kind <> 'children'",
    ):
        yield f"I1: PF {r['grp']} and a VF of it have owners"
    for r in rows(
        db,
        "SELECT grp FROM assignment p WHERE kind = 'children' AND ended IS NULL AND NOT EXISTS"
        " (SELECT 1 FROM assignment c WHERE c.parent = p.grp AND c.ended IS NULL)",
    ):
        yield f"I1: PF {r['grp']} is held for VFs that nobody has"
    for r in rows(db, "SELECT id, state, kind FROM assignment WHERE ended IS NULL"):
        if r["state"] not in SETTLED:
            yield f"I4: assignment {r['id']} is still {r['state']}"
    for r in rows(db, "SELECT member.rowid FROM member JOIN assignment a ON a.id = assignment WHERE live <> (a.ended IS NULL)"):
        yield f"I1: member row {r['rowid']} is live and its assignment not, or the other way round"


def check_journal(db):
    for r in rows(db, "SELECT seq, assignment, bdf, op FROM intent WHERE outcome IS NULL"):
        yield f"journal: step {r['seq']} ({r['op']} of {r['bdf']}, assignment {r['assignment']}) is open"


def link(row, prev):
    """The hash of an audit row: docs of the format are in src/policy/chain.h."""

    def part(value):
        return b"-," if value is None else b"%d:%s," % (len(str(value).encode()), str(value).encode())

    columns = ("seq", "time", "uid", "verb", "vm", "device", "was", "became", "reason")
    text = b"berth-audit-1\n" + part(prev) + b"".join(part(row[c]) for c in columns)
    return hashlib.sha256(text).hexdigest()


def check_audit(db):
    last, before, prev = {}, 0, ""
    for r in rows(db, "SELECT * FROM audit ORDER BY seq"):
        if r["seq"] != before + 1:
            yield f"I9: audit has a gap before {r['seq']}"
        if before and r["prev"] != prev or r["hash"] != link(r, r["prev"]):
            yield f"I9: the audit chain is broken at {r['seq']}"
        before, prev = r["seq"], r["hash"]
        if r["device"] and r["became"]:
            last[r["device"]] = r["became"]
    for r in rows(db, "SELECT seq, hash FROM audit_head"):
        if (r["seq"], r["hash"]) != (before, prev):
            yield f"I9: the audit's head is {r['seq']}, its last row {before}"
    owned = live(db)
    for bdf, became in last.items():
        state = owned[bdf]["state"] if bdf in owned else "host"
        if became != state and not (bdf not in owned and became == "released"):
            yield f"I9: {bdf} is {state}, and the audit's last word is {became}"
    for bdf, r in owned.items():
        if bdf not in last and r["state"] != "preparing":
            yield f"I9: {bdf} is {r['state']}, and the audit knows nothing of it"


def check_device(root, bdf, was, owner):
    now_driver, now_override = driver(root, bdf), attribute(root, bdf, "driver_override")
    now = {
        "driver": now_driver,
        "override": now_override,
        "power": attribute(root, bdf, "power/control"),
        "net": read(root, VF_NET).decode().strip() if was["net"] else None,
    }
    if owner is None:
        for key, value in was.items():
            if now[key] != value:
                yield f"I8: {bdf} is the host's, its {key} was '{value}' and is '{now[key]}'"
        return
    if owner["state"] == "faulted":
        return
    if now_driver != "vfio-pci" or now_override != "vfio-pci":
        yield f"I4: {bdf} is {owner['state']} to {owner['vm']}, with driver '{now_driver}', override '{now_override}'"
    if struct.unpack_from("<H", read(root, f"{DEVICES}/{bdf}/config"), 4)[0] & BUS_MASTER:
        yield f"I8: {bdf} is {owner['state']} to {owner['vm']} with its old driver's bus mastering"
    if was["net"] and "vlan=40" not in now["net"]:
        yield f"I4: {bdf} is {owner['state']} to {owner['vm']} with network settings {now['net']}"


def check_tree(root, was, owned):
    there = [b for b in os.listdir(os.path.join(root, DEVICES)) if ".new-" not in b]
    for bdf in was:
        if bdf not in there:
            yield f"lost: {bdf}"
            continue
        yield from check_device(root, bdf, was[bdf], owned.get(bdf))
    for number, members in groups(root).items():
        drivers = {driver(root, b) == "vfio-pci" for b in members}
        if len(drivers) > 1:
            yield f"group {number} is split between host and vfio-pci"


def check(root, was):
    """Everything that is wrong, as sentences; and who owns what: (owner, state) by device."""
    path = os.path.join(root, "state/ledger.db")
    if not os.path.exists(path):
        return list(check_tree(root, was, {})), {}
    db = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        # A verb that died before its first commit leaves a file without tables: nobody owns anything.
        if not rows(db, "SELECT 1 FROM sqlite_schema WHERE name = 'assignment'"):
            return list(check_tree(root, was, {})), {}
        owned = live(db)
        wrong = [*check_rows(db), *check_journal(db), *check_audit(db), *check_tree(root, was, owned)]
        return wrong, {bdf: (r["vm"], r["state"]) for bdf, r in owned.items()}
    finally:
        db.close()


def main():
    if len(sys.argv) != 3:
        print("usage: checker.py ROOT FOUND", file=sys.stderr)
        return 2
    with open(sys.argv[2], encoding="utf-8") as f:
        wrong, owned = check(sys.argv[1], json.load(f))
    for sentence in wrong:
        print(sentence)
    for bdf, (vm, state) in sorted(owned.items()):
        print(f"{bdf}: {state} to {vm}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Could the operations that tests/race/race recorded have happened one after the other? (Wing and Gong, with a memo.)

    linear.py [FILE]

Each device is a register that holds its owner. assign(vm) sets it when nobody or vm itself has it and is else refused
with the owner's name; release(vm) empties it when vm has it and is else refused; look tells the owner. Every operation
takes effect at one moment between its start and its end, so two that do not overlap keep their order. Prints one line
per device and fails when there is no such order.
"""
import sys

NOBODY = "-"


class Operation:
    __slots__ = ("process", "start", "end", "what", "vm", "result", "owner", "line")

    def __init__(self, line):
        self.line = line
        f = line.split(None, 6)
        self.process, self.start, self.end, self.what, self.device_, self.vm = f[0], int(f[1]), int(f[2]), f[3], f[4], f[5]
        self.result, _, self.owner = f[6].rpartition(" ")

    __slots__ += ("device_",)

    def apply(self, owner):
        """The owner after it, when it can have been as recorded; None when it cannot."""
        if self.what == "look":
            return owner if self.result == "ok" and self.owner == owner else None
        if self.what == "assign":
            if owner in (NOBODY, self.vm):
                return self.vm if self.result == "ok" else None
            return owner if self.result == "refused" and self.owner == owner else None
        if owner == self.vm:
            return NOBODY if self.result == "ok" else None
        return owner if self.result == "refused" and self.owner == owner else None


def linearize(configs, pending, wanted):
    """All (owner, operations done early) that have `wanted` done: breadth first, each configuration once."""
    seen, todo, done = set(configs), list(configs), set()
    while todo:
        owner, early = todo.pop()
        if wanted in early:
            done.add((owner, early - {wanted}))
            continue
        for op in pending - early:
            after = op.apply(owner)
            if after is None:
                continue
            config = (after, early | {op})
            if config not in seen:
                seen.add(config)
                todo.append(config)
    return done


def check(operations):
    """Return: None, or the operation by whose end no order is left."""
    events = sorted([(op.start, 0, i) for i, op in enumerate(operations)] + [(op.end, 1, i) for i, op in enumerate(operations)])
    configs, pending = {(NOBODY, frozenset())}, set()
    for _, kind, i in events:
        op = operations[i]
        if kind == 0:
            pending.add(op)
            continue
        configs = linearize(configs, pending, op)
        pending.discard(op)
        if not configs:
            return op
    return None


def main():
    with open(sys.argv[1], encoding="utf-8") if len(sys.argv) > 1 else sys.stdin as f:
        operations = [Operation(line.rstrip("\n")) for line in f]
    devices = {}
    for op in operations:
        devices.setdefault(op.device_, []).append(op)
    violations = 0
    for device, ops in sorted(devices.items()):
        wrong = check(ops)
        if wrong:
            violations += 1
            print(f"FAILED: {device}: no order explains this one: {wrong.line}")
    done = sum(op.result == "ok" and op.what != "look" for op in operations)
    print(f"{len(operations)} operations on {len(devices)} devices, {done} changes: {violations} violations")
    return 1 if violations or not operations else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Kill and fail assign, release and recover everywhere, recover, and look (make check-kill).

    sweep.py DIR [KIND…]     DIR holds berth-fake and inject; KIND: kill call failpoint pair nomem, all when none is named

$KILL_STEP=n takes one in n places only. Every run starts from the same state of a small fake host. After a kill there is
one `berth recover`, which must end within 500 ms and leave a state that checker.py accepts; a verb that was told an
error must say so, leave nothing behind that a recover does not repair, and have done its work when it says that it has.
"""
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

import checker

STEP = int(os.environ.get("KILL_STEP", "1"))
DEADLINE_US = 500_000
SLOW = "recover took"
GPU, AUDIO, VF, NVME = "0000:01:00.0", "0000:01:00.1", "0000:02:10.0", "0000:03:00.0"
OURS = (GPU, AUDIO, VF)
ASSIGN = ["assign", GPU, VF, "--vm", "t1"]
RELEASE = ["release", "--vm", "t1"]
RECOVER = ["recover"]
EIO, ENOSPC, EINTR, ENOMEM = 5, 28, 4, 12
ERRORS = {"EIO": EIO, "ENOSPC": ENOSPC, "EINTR": EINTR, "ENOMEM": ENOMEM}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
TRIES = 5  # until an error hits the call that it is for
PAIRS = 1500  # of those there are, drawn with a fixed seed

# Which of the four errors the kernel can return from a call (man-pages section 2; what file systems add: fs/). The
# others are not injected: no program need be ready for what cannot happen. brk answers a failure with the old break,
# not with an error; record locks (fcntl) that do not wait fail with ENOLCK or EAGAIN; calls that are not here (getpid, exit_group, rt_sigprocmask …) have none of the four.
CAN = {
    "openat": "EIO ENOSPC EINTR ENOMEM", "open": "EIO ENOSPC EINTR ENOMEM",
    "read": "EIO EINTR ENOMEM", "pread64": "EIO EINTR ENOMEM", "readv": "EIO EINTR ENOMEM",
    "write": "EIO ENOSPC EINTR ENOMEM", "pwrite64": "EIO ENOSPC EINTR ENOMEM", "writev": "EIO ENOSPC EINTR ENOMEM",
    "fsync": "EIO ENOSPC EINTR", "fdatasync": "EIO ENOSPC EINTR",
    "ftruncate": "EIO ENOSPC EINTR", "fallocate": "EIO ENOSPC EINTR",
    "stat": "EIO ENOMEM", "fstat": "EIO ENOMEM", "newfstatat": "EIO ENOMEM", "lstat": "EIO ENOMEM", "statx": "EIO ENOMEM",
    "access": "EIO ENOMEM", "faccessat": "EIO ENOMEM", "faccessat2": "EIO ENOMEM",
    "readlink": "EIO ENOMEM", "readlinkat": "EIO ENOMEM", "getcwd": "ENOMEM", "getdents64": "EIO EINTR ENOMEM",
    "close": "EIO EINTR",
    "mmap": "ENOMEM", "mremap": "ENOMEM", "munmap": "ENOMEM", "mprotect": "ENOMEM", "madvise": "EIO ENOMEM",
    "unlink": "EIO ENOSPC ENOMEM", "mkdir": "EIO ENOSPC ENOMEM", "rename": "EIO ENOSPC ENOMEM",
    "flock": "EINTR",
    "clone": "ENOMEM", "clone3": "ENOMEM", "fork": "ENOMEM", "vfork": "ENOMEM",
    "pipe2": "ENOMEM", "poll": "EINTR ENOMEM", "ppoll": "EINTR ENOMEM", "wait4": "EINTR",
    "nanosleep": "EINTR", "clock_nanosleep": "EINTR", "getrandom": "EINTR",
    "ioctl": "EIO EINTR ENOMEM", "socket": "ENOMEM", "connect": "EINTR ENOMEM", "sendto": "EINTR ENOMEM",
    "recvfrom": "EINTR ENOMEM", "fchmod": "EIO ENOSPC", "fchown": "EIO ENOSPC ENOMEM",
}  # fmt: skip
# After these the world outside the process may be another one than before: killed before and after. After the others
# (reads, all of them) a kill finds what it finds before them.
CHANGING = {
    "openat", "write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate", "fallocate", "mmap", "unlink", "mkdir",
    "rename", "flock", "fcntl", "clone", "clone3", "fork", "vfork", "munmap", "fchmod", "fchown", "ioctl",
    "wait4", "poll",
}  # fmt: skip


def call_names():
    names = {}
    text = subprocess.run([os.environ.get("BERTH_KILL_CC", "cc"), "-E", "-dM", "-include", "sys/syscall.h", "-xc", "/dev/null"], capture_output=True, text=True, check=True)
    for m in re.finditer(r"#define __NR_(\w+) (\d+)", text.stdout):
        names[int(m.group(2))] = m.group(1)
    return names


class Place:
    """One fake host with the program and the injector that run on it."""

    def __init__(self, tools):
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.dir = tempfile.mkdtemp(prefix="berth-kill-", dir=base)
        self.root = f"{self.dir}/h"
        os.mkdir(self.root)
        subprocess.run([f"{tools}/berth-fake", "fake-host", self.root], check=True)
        env = {**os.environ, "BERTH_ROOT": self.root}
        self.inject = subprocess.Popen(
            [f"{tools}/inject", f"{tools}/berth-fake", f"{self.dir}/out"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env,
        )  # fmt: skip
        self.found = checker.found(self.root)
        self.all_files = self.look(everything=True)
        self.changing = [p for p in self.all_files if self.may_change(p)]

    def close(self):
        self.inject.stdin.close()
        self.inject.wait()
        shutil.rmtree(self.dir)

    def run(self, argv, action="run", process=0, call=0, rules=""):
        """Return: exit status, number of the call that was hit (-1: none), microseconds."""
        self.inject.stdin.write("\t".join([action, str(process), str(call), rules, *argv]) + "\n")
        self.inject.stdin.flush()
        answer = self.inject.stdout.readline().split()
        if len(answer) != 3:
            raise RuntimeError(f"the injector died at {action} {process} {call} {rules} {argv}")
        return tuple(int(x) for x in answer)

    def must(self, argv):
        status, _, _ = self.run(argv)
        if status != 0:
            raise RuntimeError(f"{argv}: {self.said()}")

    def said(self):
        with open(f"{self.dir}/out", encoding="utf-8", errors="replace") as f:
            return f.read().strip()

    def passed(self, argv, rules=""):
        """The failpoints that an undisturbed run passes."""
        path = f"{self.dir}/out.points"
        if os.path.exists(path):
            os.unlink(path)
        self.run(argv, "points", rules=rules)
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as f:
            return f.read().split()

    # --- states ---

    @staticmethod
    def may_change(path):
        name = os.path.basename(path)
        return name in ("driver", "uevent", "driver_override", "config", checker.VF_NET) or path.endswith("power/control")

    @staticmethod
    def value(path):
        try:
            if os.path.islink(path):
                return os.readlink(path)
            with open(path, "rb") as f:
                return f.read()
        except FileNotFoundError:
            return None

    def files(self, top):
        for folder, folders, names in os.walk(top):
            for name in names + [d for d in folders if os.path.islink(f"{folder}/{d}")]:
                yield f"{folder}/{name}"

    def look(self, everything=False):
        """Contents by path: all, or those of the files that can change."""
        tree = self.files(f"{self.root}/sys") if everything else self.changing
        seen = {p: self.value(p) for p in tree}
        if everything:
            seen[f"{self.root}/{checker.VF_NET}"] = self.value(f"{self.root}/{checker.VF_NET}")
            return seen
        state = f"{self.root}/state"
        seen.update({p: self.value(p) for p in self.files(state)})
        return seen

    def restore(self, state):
        for path in self.files(f"{self.root}/state"):
            if path not in state:
                os.unlink(path)
        for path, value in state.items():
            now = self.value(path)
            if now == value and not path.endswith("-shm"):
                continue
            if now is not None:
                os.unlink(path)
            if isinstance(value, str):
                os.symlink(value, path)
            elif value is not None:
                with open(path, "wb") as f:
                    f.write(value)

    # --- one run and what must be true after it ---

    def recover(self):
        """Return: what is wrong, microseconds."""
        status, _, us = self.run(RECOVER)
        if status != 0:
            return [f"recover failed ({status}): {self.said()}"], us
        return ([f"{SLOW} {us // 1000} ms"] if us > DEADLINE_US else []), us

    def judge(self, allowed, alone=False):
        wrong, owned = checker.check(self.root, self.found)
        if not alone and owned.pop(NVME, None) != ("t9", "assigned"):
            wrong.append("t9 has lost its NVMe")
        ours = tuple(sorted((b, s) for b, (vm, s) in owned.items() if vm == "t1"))
        if any(vm != "t1" for vm, _ in owned.values()):
            wrong.append(f"owned by a stranger: {owned}")
        if ours not in allowed:
            wrong.append(f"t1 owns {ours}, which it should not")
        return wrong


def owning(*bdfs):
    return tuple(sorted((b, "assigned") for b in bdfs))


NONE, ALL, ONLY_GPU, ONLY_VF = owning(), owning(*OURS), owning(GPU, AUDIO), owning(VF)


FIRST = "assign, the first ever"  # makes the ledger; at failpoints only, as the rest is the next one's


class Verb:
    """A verb, the state it starts in, and the states that are right: after it is done, after it was cut short. `alone`:
    no other VM owns anything."""

    def __init__(self, name, argv, start, done, cut, alone=False):
        self.name, self.argv, self.start, self.done, self.cut, self.alone = name, argv, start, done, cut, alone


def verbs_of(place):
    """The states that the verbs start from are made by running berth. Two recoveries: of an assign that was killed with
    everything done but the last word, of a release that was killed half-way."""
    untouched = place.look()
    place.must(["assign", NVME, "--vm", "t9"])
    free = place.look()
    taken = place.passed(ASSIGN)
    owned = place.look()
    given = place.passed(RELEASE)
    place.restore(free)
    place.run(ASSIGN, rules=f"*=kill@{len(taken) - 3}")
    half_taken = place.look()
    place.restore(owned)
    second = [i for i, n in enumerate(given) if n == "step.restore.before"][1] + 1
    place.run(RELEASE, rules=f"*=kill@{second}")
    half_given = place.look()
    some = {NONE, ALL, ONLY_GPU, ONLY_VF}
    return [
        Verb(FIRST, ASSIGN, untouched, {ALL}, {NONE, ALL}, alone=True),
        Verb("assign", ASSIGN, free, {ALL}, {NONE, ALL}),
        Verb("release", RELEASE, owned, {NONE}, some),
        Verb("recover (of an assign)", RECOVER, half_taken, {NONE}, {NONE}),
        Verb("recover (of a release)", RECOVER, half_given, some, some),
    ]


def one_kill(place, verb, process, call, action):
    place.restore(verb.start)
    status, hit, _ = place.run(verb.argv, action, process, call)
    if hit < 0:
        return "missed", [] if status == 0 else [f"ended with {status}: {place.said()}"], 0
    wrong, us = place.recover()
    return "kill", wrong or place.judge(verb.cut, verb.alone), us


def told_the_truth(place, verb, status):
    """What was said about a run with an error in it, against what is."""
    said = place.said()
    if status == 0:
        wrong = [f"it said that it is done: {w}" for w in place.judge(verb.done, verb.alone)]
        return wrong
    if status >= 256:
        return [f"crashed by signal {status - 256}"]
    if verb.argv == ASSIGN and "owned by t1" in said and "writing the output" not in said:
        return [f"it failed, and said as well: {said}"]
    return []


def one_nomem(place, verb, number):
    return one_error(place, verb, ENOMEM, "", "nomem", number)


def one_call(place, verb, process, call, nr, error):
    """Runs differ by a call here and there, so the number of a call may be another one's. What hits one that cannot fail like
    this says nothing."""
    for _ in range(TRIES):
        place.restore(verb.start)
        status, hit, us = place.run(verb.argv, f"error:{error}", process, call)
        if hit == nr:
            return judge_error(place, verb, status, us)
        if hit < 0 and status != 0:
            return "missed", [f"ended with {status}: {place.said()}"], 0
    return "missed", [], 0


def one_error(place, verb, error, rules, action="run", call=0):
    place.restore(verb.start)
    status, _, us = place.run(verb.argv, action, 0, call, rules)
    return judge_error(place, verb, status, us)


def judge_error(place, verb, status, us):
    said = place.said()
    wrong = told_the_truth(place, verb, status)
    if us > 15_000_000:
        wrong.append(f"took {us // 1000} ms")
    if wrong:
        return "error", wrong, 0
    wrong, us = place.recover()
    allowed = verb.done if status == 0 else verb.cut
    if status != 0 and verb.argv == ASSIGN:
        # Only the report of it got lost; and it says that.
        allowed = {NONE, ALL} if "writing the output" in said or not said else {NONE}
    return "error", [f"{w} (it had said: {said})" for w in wrong or place.judge(allowed, verb.alone)], us


def one_failpoint(place, verb, number):
    place.restore(verb.start)
    place.run(verb.argv, rules=f"*=kill@{number}")
    wrong, us = place.recover()
    return "kill", wrong or place.judge(verb.cut, verb.alone), us


def one_pair(place, verb, number, second):
    place.restore(verb.start)
    place.run(verb.argv, rules=f"*=kill@{number}")
    place.run(RECOVER, rules=f"*=kill@{second}")
    wrong, us = place.recover()
    return "kill", wrong or place.judge(verb.cut, verb.alone), us


# --- the sweep ---

WORKER = {}


def set_up_worker(tools):
    WORKER["place"] = Place(tools)
    WORKER["verbs"] = verbs_of(WORKER["place"])


RUNS = {"kill": one_kill, "call": one_call, "error": one_error, "failpoint": one_failpoint, "pair": one_pair, "nomem": one_nomem}


def do(job):
    kind, number, args = job
    place, verb = WORKER["place"], WORKER["verbs"][number]
    again = 0
    try:
        what, wrong, us = RUNS[kind](place, verb, *args)
        # The clock on the wall also counts what else the machine does. The same case again, from the same start: what
        # is slow by itself is slow every time.
        while us > DEADLINE_US and again < 3 and all(SLOW in w for w in wrong):
            what, wrong, us = RUNS[kind](place, verb, *args)
            again += 1
    except Exception:  # the sweep goes on, and fails
        what, wrong, us = "kill", [traceback.format_exc()], 0
    return kind, number, args, what, wrong, us, again


def calls_of(place, verb):
    """(process, call, number of the system call, its third argument), as an undisturbed run makes them."""
    place.restore(verb.start)
    place.run(verb.argv, "list")
    with open(f"{place.dir}/out.calls", encoding="utf-8") as f:
        return [tuple(int(x) for x in line.split()) for line in f]


def jobs_of(place, verbs, kinds, seen):
    names = call_names()
    for number, verb in enumerate(verbs):
        calls = calls_of(place, verb)
        place.restore(verb.start)
        points = place.passed(verb.argv)
        seen.update(points)
        if "kill" in kinds and verb.name != FIRST:
            for process, call, nr, arg in calls:
                yield "kill", number, (process, call, "entry")
                if names[nr] in CHANGING and (names[nr] != "openat" or arg & WRITES):
                    yield "kill", number, (process, call, "exit")
        if "call" in kinds and verb.name != FIRST:
            for process, call, nr, arg in calls:
                for error in CAN.get(names[nr], "").split():
                    if error == "ENOSPC" and names[nr] == "openat" and not arg & os.O_CREAT:
                        continue
                    yield "call", number, (process, call, nr, ERRORS[error])
        if "failpoint" in kinds:
            for i in range(len(points)):
                yield "failpoint", number, (i + 1,)
                for error in ERRORS.values():
                    yield "error", number, (error, f"*=error:{error}@{i + 1}")
        if "nomem" in kinds and verb.name != FIRST:
            place.restore(verb.start)
            place.run(verb.argv, "nomem")
            with open(f"{place.dir}/out.nomem", encoding="utf-8") as f:
                total, *first = (int(line) for line in f)
            if total == 0:
                raise RuntimeError(f"{verb.name}: more ways to an allocation than nomem.c has room for")
            print(f"allocations of {verb.name}: {total}, on {len(first)} ways", flush=True)
            for i in first:
                yield "nomem", number, (i,)
        if "pair" in kinds and verb.argv != RECOVER and verb.name != FIRST:
            yield from pairs_of(place, verb, number, len(points), seen)


def pairs_of(place, verb, number, points, seen):
    pairs = []
    for i in range(points):
        place.restore(verb.start)
        place.run(verb.argv, rules=f"*=kill@{i + 1}")
        again = place.passed(RECOVER)
        seen.update(again)
        pairs += [(i + 1, j + 1) for j in range(len(again))]
    random.Random(4).shuffle(pairs)
    print(f"pairs of {verb.name}: {len(pairs)}, of which {min(PAIRS, len(pairs))}", flush=True)
    for pair in pairs[:PAIRS]:
        yield "pair", number, pair


def never_passed(seen):
    """Failpoints of the source that no run of the sweep has passed."""
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src")
    for folder, _, names in os.walk(top):
        for name in names:
            if not name.endswith(".c"):
                continue
            with open(f"{folder}/{name}", encoding="utf-8") as f:
                for m in re.finditer(r'berth_failpoint_before\(\s*"([a-z-]+)",\s*("[a-z-]+")?', f.read()):
                    wanted = m.group(1) + "." + (m.group(2).strip('"') + "." if m.group(2) else "")
                    if not any(p.startswith(wanted) for p in seen):
                        yield wanted.rstrip("."), name


# What this host cannot show: it has no VFIO to reset through, no module to load, no netlink, one format of ledger.
ELSEWHERE = {"reset.function", "reset.hot", "module.load", "vf-net"}


def main():
    tools, kinds = sys.argv[1], sys.argv[2:] or list(RUNS)
    count, failures, recoveries, slowest, repeated, seen, said = {}, 0, 0, 0, 0, set(), time.monotonic()
    place = Place(tools)
    try:
        verbs = verbs_of(place)
        jobs = list(jobs_of(place, verbs, kinds, seen))
        # In any order, but each time the same one: every nth of them is then a fair sample.
        random.Random(STEP).shuffle(jobs)
        jobs = jobs[::STEP]
    finally:
        place.close()
    with multiprocessing.Pool(os.cpu_count(), set_up_worker, (tools,)) as pool:
        for done, (kind, number, args, what, wrong, us, again) in enumerate(pool.imap_unordered(do, jobs, 16), 1):
            if time.monotonic() > said + 10:
                said = time.monotonic()
                print(f"check-kill: {done} of {len(jobs)}, {failures} failures", file=sys.stderr, flush=True)
            key = (verbs[number].name, kind, what)
            count[key] = count.get(key, 0) + 1
            recoveries += us > 0
            slowest = max(slowest, us)
            repeated += again
            for sentence in wrong:
                print(f"FAILED: {verbs[number].name}: {kind} {args}: {sentence}", flush=True)
            failures += bool(wrong)
        pool.map(close_worker, range(os.cpu_count()), 1)
    for (verb, kind, what), n in sorted(count.items()):
        print(f"{verb}: {kind}: {n} {what}")
    print(f"{len(seen)} failpoints were passed")
    for wanted, name in never_passed(seen) if len(kinds) == len(RUNS) else ():
        if wanted not in ELSEWHERE:
            print(f"FAILED: failpoint {wanted} ({name}) was never passed")
            failures += 1
    if repeated:
        print(f"{repeated} cases were measured again, this machine being busy")
    kills = sum(n for (_, _, what), n in count.items() if what == "kill")
    errors = sum(n for (_, _, what), n in count.items() if what == "error")
    print(f"check-kill: {kills} kills, {errors} errors injected, {recoveries} recoveries (max {slowest / 1000:.0f} ms), {failures} failures")
    return 1 if failures else 0


def close_worker(_):
    if "place" in WORKER:
        WORKER.pop("place").close()


if __name__ == "__main__":
    sys.exit(main())

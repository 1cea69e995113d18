# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell a lab that hangs from one that only waits for CPU time on a busy machine."""

import os
import time

IDLE_SECONDS = 15  # a boot is never idle; one whose timer interrupts stopped is
CPU_SECONDS = 90  # it takes some 15 s of CPU time; with much more it goes round in circles
WALL_SECONDS = 600


COMMAND_IDLE_SECONDS = 120  # no test waits so long for nothing
COMMAND_IDLE_SHARE = 0.2  # of one CPU; a host that sleeps still ticks


class IdleWatch:
    """Looks at how much CPU time QEMU wants."""

    PERIOD = 3  # seconds between two looks

    def __init__(self, pid, seconds, share):
        self._tasks = f"/proc/{pid}/task"
        self._begin = time.monotonic()
        self._seconds = seconds
        self._share = share
        self._looks = []

    def look(self):
        """Say in a few words how the lab hangs, or None."""
        now = time.monotonic()
        ran, waited = self._times()
        self._looks.append((now, ran + waited))
        while now - self._looks[min(1, len(self._looks) - 1)][0] > self._seconds:
            del self._looks[0]
        since, before = self._looks[0]
        if now - since > self._seconds and ran + waited - before < (now - since) * self._share:
            return f"idle after {now - self._begin:.0f} s"
        return self._judge(now - self._begin, ran)

    def _judge(self, wall, ran):
        return None

    def _times(self):
        """Seconds that QEMU's threads ran, and that they wanted to run and had no CPU."""
        ran = waited = 0
        for task in os.listdir(self._tasks):
            try:
                with open(f"{self._tasks}/{task}/schedstat", encoding="ascii") as f:
                    numbers = f.read().split()
            except OSError:  # this thread has just ended
                continue
            ran += int(numbers[0])
            waited += int(numbers[1])
        return ran / 1e9, waited / 1e9


class BootWatch(IdleWatch):
    def __init__(self, pid):
        super().__init__(pid, IDLE_SECONDS, 0.5)

    def _judge(self, wall, ran):
        if ran > CPU_SECONDS:
            return f"after {ran:.0f} s of CPU time"
        if wall > WALL_SECONDS:
            return f"within {WALL_SECONDS} s"
        return None


class CommandWatch(IdleWatch):
    def __init__(self, pid):
        super().__init__(pid, COMMAND_IDLE_SECONDS, COMMAND_IDLE_SHARE)

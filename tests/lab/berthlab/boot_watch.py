# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell a boot that hangs from one that only waits for CPU time on a busy machine."""

import os
import time

IDLE_SECONDS = 15  # a boot is never idle; one whose timer interrupts stopped is
CPU_SECONDS = 90  # it takes some 15 s of CPU time; with much more it goes round in circles
WALL_SECONDS = 600


class BootWatch:
    PERIOD = 3  # seconds between two looks

    def __init__(self, pid):
        self._tasks = f"/proc/{pid}/task"
        self._begin = time.monotonic()
        self._looks = [(self._begin, 0)]

    def look(self):
        """Say in a few words how the boot hangs, or None."""
        now = time.monotonic()
        ran, waited = self._times()
        self._looks.append((now, ran + waited))
        while now - self._looks[1][0] > IDLE_SECONDS:
            del self._looks[0]
        since, before = self._looks[0]
        if ran > CPU_SECONDS:
            return f"after {ran:.0f} s of CPU time"
        if now - self._begin > WALL_SECONDS:
            return f"within {WALL_SECONDS} s"
        if now - since > IDLE_SECONDS and ran + waited - before < (now - since) / 2:
            return f"idle after {now - self._begin:.0f} s"
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

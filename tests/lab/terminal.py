#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""berth run on a pseudo terminal: raw while the guest runs, Ctrl-A x ends it, settings as before afterwards.

usage: terminal.py BERTH KERNEL INITRD   (a guest that prints guest-waits and stays)
"""

import os
import pty
import select
import signal
import sys
import termios
import time


def settings(fd):
    return termios.tcgetattr(fd)


def read_until(fd, word, seconds):
    seen, end = b"", time.monotonic() + seconds
    while word not in seen:
        left = end - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            sys.exit(f"no {word} in {seconds} s: {seen[-500:]!r}")
        seen += os.read(fd, 4096)


def main():
    berth, kernel, initrd = sys.argv[1:]
    signal.alarm(120)  # no test hangs
    parent, child = pty.openpty()
    before = settings(child)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(os.open(os.ttyname(child), os.O_RDWR))  # becomes the controlling terminal
        for fd in range(3):
            os.dup2(child, fd)
        os.execv(berth, [berth, "run", "--name", "tty1", "--kernel", kernel, "--initrd", initrd,
                         "--cmdline", "console=ttyS0 quiet", "--memory", "256M"])
    read_until(parent, b"guest-waits", 60)
    if settings(child)[3] & (termios.ICANON | termios.ECHO | termios.ISIG):
        sys.exit("the terminal is not raw")
    os.write(parent, b"\x01h")
    read_until(parent, b"Ctrl-A x", 10)
    os.write(parent, b"\x01x")
    status = os.waitpid(pid, 0)[1]
    if status:
        sys.exit(f"berth run ended with wait status {status}")
    if settings(child) != before:
        sys.exit("the settings did not come back")


main()

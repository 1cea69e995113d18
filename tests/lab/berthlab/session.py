# SPDX-License-Identifier: GPL-2.0-or-later
"""Talk with a running lab: its command's output and exit status, its requests, QEMU's control socket."""

import contextlib
import json
import os
import re
import selectors
import shlex
import sys
import tempfile
import time

from .cache import LabError
from .watch import BootWatch, CommandWatch

POWER_CUT = 123  # exit status of `lab run`
SYSRQ = "9wt"  # let everything through to the console; blocked tasks; all tasks
PORTS = ("control", "stdout", "stderr", "qmp")


class BootFailed(LabError):
    """The lab host did not come up; the boot (never the command) may be tried again."""


class CommandLate(LabError):
    """The command took longer than --timeout."""


class Stuck(LabError):
    """The lab host sits idle while the command runs: it waits for something that never comes."""


class Qmp:
    """QEMU's control socket. Commands are answered one at a time; events are dropped."""

    def __init__(self, sock):
        self._sock = sock
        self._file = sock.makefile("r", encoding="utf-8")
        self._sock.settimeout(60)
        self._ready = False

    def execute(self, command, **arguments):
        if not self._ready:
            self._ready = True
            self._file.readline()  # the greeting
            self._call({"execute": "qmp_capabilities"})
        return self._call({"execute": command, "arguments": arguments})

    def _call(self, message):
        self._sock.sendall(json.dumps(message).encode() + b"\n")
        while True:
            line = self._file.readline()
            if not line:
                raise LabError("QEMU has gone")
            answer = json.loads(line)
            if "error" in answer:
                raise LabError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]


class Session:
    """One boot of the lab, from the start of QEMU to its end."""

    def __init__(self, timeout, out, qemu, sockets):
        self._timeout = timeout
        self._out = out
        self._qemu = qemu
        self._sockets = sockets
        self._monitor = Qmp(sockets["monitor"])
        self._pending = {"control": b"", "qmp": b""}
        self._status = None
        self._watch = BootWatch(qemu.pid)
        self._started = False
        self._deadline = None

    def serve(self):
        with selectors.DefaultSelector() as selector:
            for name in PORTS:
                selector.register(self._sockets[name], selectors.EVENT_READ, name)
            while selector.get_map():
                events = selector.select(self._seconds_left())
                if not events:
                    self._check()
                if self._deadline and time.monotonic() >= self._deadline:
                    return self._late()
                for key, _ in events:
                    data = self._receive(key.fileobj)
                    if data:
                        self._take(key.data, data)
                    else:
                        selector.unregister(key.fileobj)
        if self._status is None:
            self._gone()
        return self._status

    def _receive(self, sock):
        try:
            return sock.recv(65536)
        except ConnectionResetError:  # QEMU was killed with something of ours unread
            if self._status != POWER_CUT:
                raise
            return b""

    def _gone(self):
        if not self._started and self._qemu.wait() != 0:
            raise LabError("QEMU did not start, see above")
        if not self._started:
            raise BootFailed(f"the lab host went down before the command started; {self._console_tail()}")
        raise LabError(f"the lab host went down while the command ran; {self._console_tail()}")

    def _seconds_left(self):
        left = self._deadline - time.monotonic() if self._deadline else self._watch.PERIOD
        return max(0, min(left, self._watch.PERIOD))

    def _check(self):
        hang = self._status is None and self._watch.look()
        if hang and not self._started:
            raise BootFailed(f"the lab host does not come up, {hang} (see {self._keep_hang()})")
        if hang:
            raise Stuck(f"the lab host waits for something that does not come, {hang} of the command (see {self._keep_hang()})")

    def _late(self):
        if self._status is not None:  # all was said and done, only QEMU did not leave
            return self._status
        raise CommandLate(f"the command did not end within {self._timeout:g} s: lab stopped (see {self._keep_hang()})")

    def _keep_hang(self):
        """Leave what a person needs who wants to know where the lab stood, also when the next boot succeeds."""
        handle, path = tempfile.mkstemp(prefix="berth-lab-hang.", suffix=".log")
        with os.fdopen(handle, "wb") as f:
            for line in ("info status", "info registers -a", "info lapic 0", "info lapic 1", "info pic"):
                f.write(f"== {line}\n{self._human(line)}\n".encode())
            for key in SYSRQ:  # the kernel answers on its console
                self._human(f"sendkey alt-sysrq-{key}")
                time.sleep(2)
            f.write(b"== the console\n")
            with open(self._console_path(), "rb") as console:
                f.write(console.read())
        return path

    def _human(self, line):
        try:
            return self._monitor.execute("human-monitor-command", **{"command-line": line})
        except (LabError, OSError) as error:
            return str(error)

    def _take(self, port, data):
        if port in ("stdout", "stderr"):
            stream = getattr(sys, port).buffer
            stream.write(data)
            stream.flush()
            return
        *lines, self._pending[port] = (self._pending[port] + data).split(b"\n")
        for line in lines:
            words = line.decode("utf-8", "replace")
            if port == "control":
                self._control(words.split())
            else:
                self._answer(self._bridge(words))

    def _answer(self, line):
        with contextlib.suppress(OSError) if self._status == POWER_CUT else contextlib.nullcontext():
            self._sockets["qmp"].sendall((line + "\n").encode())

    def _control(self, words):
        if words[0] == "start":
            self._started = True
            self._watch = CommandWatch(self._qemu.pid)
            self._deadline = self._timeout and time.monotonic() + self._timeout
        elif words[0] == "exit":
            self._status = int(words[1])
            self._deadline = time.monotonic() + 20
            with contextlib.suppress(LabError, OSError):  # it may leave before it has answered
                self._monitor.execute("quit")

    def _bridge(self, line):
        """One request of inside/qmp: its number, then QMP as JSON or a short form. One line back."""
        number, _, request = line.partition(" ")
        try:
            if request.startswith("{"):
                message = json.loads(request)
                answer = self._monitor.execute(message["execute"], **message.get("arguments", {}))
            else:
                answer = self._short_form(shlex.split(request))
        except (LabError, ValueError, KeyError, TypeError, OSError) as error:
            return f"{number} error {str(error).splitlines()[0]}"
        if isinstance(answer, str):
            return f"{number} text {json.dumps(answer)}"
        return f"{number} ok {json.dumps(answer)}"

    def _short_form(self, words):
        verb, *rest = words or [""]
        if words == ["power_cut"]:
            self._status = POWER_CUT
            self._qemu.kill()
            raise LabError("the power is cut")
        if verb == "screendump" and len(rest) == 2:
            path = os.path.normpath(os.path.join(self._out, rest[1]))
            if not path.startswith(self._out + os.sep):
                raise LabError(f"{rest[1]}: a screendump can only go below {self._out}")
            return self._monitor.execute("screendump", device=rest[0], filename=path, format="png")
        if verb == "device_add" and rest:
            pairs = dict(word.split("=", 1) for word in rest[1:])
            return self._monitor.execute("device_add", driver=rest[0], **pairs)
        if verb == "device_del" and len(rest) == 1:
            return self._monitor.execute("device_del", id=rest[0])
        if verb == "hmp" and rest:
            return self._monitor.execute("human-monitor-command", **{"command-line": " ".join(rest)})
        raise LabError("know only: power_cut | screendump ID FILE | device_add DRIVER KEY=VALUE… | device_del ID | hmp LINE | {QMP}")

    def _console_path(self):
        return os.path.join(self._out, "console.log")

    def _console_tail(self):
        with open(self._console_path(), encoding="utf-8", errors="replace") as f:
            text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc|\r", "", f.read())
        return "its console:\n" + "\n".join("  " + line for line in text.splitlines()[-15:])

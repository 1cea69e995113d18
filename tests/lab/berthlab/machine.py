# SPDX-License-Identifier: GPL-2.0-or-later
"""Start the emulated machine, carry its command's output, and end it."""

import ctypes
import json
import os
import re
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time

from . import cache, cpio
from .cache import HERE, LabError
from .topology import TOPOLOGIES, Machine

BOOT_SECONDS = 90  # a boot takes some 10 s, of which nearly all is CPU time; more than this is a hang...
BOOT_CPU_SECONDS = 60
BOOT_BUSY_SECONDS = 300  # ...unless the machine is so busy that it has not yet had its CPU time
BOOT_TRIES = 3
INITRD_MODULES = ["9p", "9pnet_virtio", "overlay"]
INITRD_APPLETS = ["sh", "mount", "mkdir", "insmod", "cat", "switch_root", "poweroff"]
PORTS = ("control", "stdout", "stderr", "qmp")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BootHang(LabError):
    """The lab host did not come up; the boot (never the command) may be tried again."""


class CommandLate(LabError):
    """The command took longer than --timeout."""


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


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


class Lab:
    def __init__(self, options):
        self.options = options
        self.out = None
        self.console = None
        self.kernel = cache.named_kernel(options.kernel)
        self.guest_kernel = cache.stock_kernel()

    def run(self, command, out):
        """Run the command and return its exit status; $LAB_OUT is the folder out."""
        self.out = out
        self.console = os.path.join(out, "console.log")
        for attempt in range(1, BOOT_TRIES + 1):
            try:
                with tempfile.TemporaryDirectory(prefix="berth-lab.") as tmp:
                    return self._boot(command, tmp)
            except BootHang as hang:
                if attempt == BOOT_TRIES:
                    raise LabError(f"{hang}, {BOOT_TRIES} times") from hang
                say(f"{hang}; starting it again ({attempt} of {BOOT_TRIES})")
        raise AssertionError

    def _boot(self, command, tmp):
        machine = Machine(tmp)
        TOPOLOGIES[self.options.topology](machine)
        self._write_job(command, machine, tmp)
        ours, theirs = {}, {}
        for name in (*PORTS, "monitor"):
            ours[name], theirs[name] = socket.socketpair()
        qemu = subprocess.Popen(
            self._qemu_arguments(machine, tmp, {name: s.fileno() for name, s in theirs.items()}),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            pass_fds=[s.fileno() for s in theirs.values()],
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        for s in theirs.values():
            s.close()
        try:
            return Session(self.options, self.out, qemu, ours).serve()
        finally:
            if qemu.poll() is None:
                qemu.kill()
            qemu.wait()
            for s in ours.values():
                s.close()

    def _write_job(self, command, machine, tmp):
        """What the lab host has to know. It sees these files at the same path."""
        job = {
            "LAB_OUT": self.out,
            "LAB_MODULES": self.kernel.base or "",
            "LAB_GUEST_KERNEL": self.guest_kernel.image,
            "LAB_TOPOLOGY": self.options.topology,
            "LAB_QMP": os.path.join(HERE, "inside", "qmp"),
        }
        wanted = not self.options.no_drivers
        host = {
            "drivers": " ".join(machine.drivers if wanted else []),
            "net_drivers": " ".join(machine.net_drivers if wanted else []),
            "settled": " ".join(machine.settled if wanted else []),
            "udev": "yes" if self.options.udev else "",
        }
        with open(os.path.join(tmp, "job"), "w", encoding="utf-8") as f:
            for name, value in {**job, **host}.items():
                f.write(f"{name}={shlex.quote(value)}\n")
        environment = {
            "HOME": "/root",
            "USER": "root",
            "LOGNAME": "root",
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "PATH": PATH,
            "BERTH_LAB_CACHE": cache.folder(),
            **job,
        }
        # A shell without job control starts background jobs with these two ignored, and they would stay so.
        words = ["exec", "env", "-i", "--default-signal=INT,QUIT"]
        words += [shlex.quote(f"{name}={value}") for name, value in environment.items()]
        words += [shlex.quote(word) for word in command]
        with open(os.path.join(tmp, "command"), "w", encoding="utf-8") as f:
            f.write(f"cd {shlex.quote(os.getcwd())} || exit 125\n{' '.join(words)}\n")
        self._write_initrd(os.path.join(tmp, "initrd"))

    def _write_initrd(self, path):
        archive = cpio.Archive()
        archive.copy("bin/busybox", cache.busybox())
        archive.copy("init", os.path.join(HERE, "inside", "initrd-init"))
        for applet in INITRD_APPLETS:
            archive.symlink(f"bin/{applet}", "busybox")
        archive.device("dev/console", 5, 1)
        for folder in ("proc", "sys", "lower", "upper", "root"):
            archive.folder(folder)
        modules = self.kernel.modules(INITRD_MODULES)
        for i, module in enumerate(modules):
            name = os.path.basename(module).removesuffix(".xz")
            archive.file(f"modules/{i:02}-{name}", cache.read_module(module))
        archive.save(path)

    def _qemu_arguments(self, machine, tmp, fds):
        o = self.options
        thread, smp = ("single", 1) if o.icount else ("multi", o.smp)
        with open(self.console, "wb"):
            pass
        append = "console=ttyS0 quiet panic=-1 nokaslr intel_iommu=on iommu=nopt"
        append += f" lab.init={os.path.join(HERE, 'inside', 'init')} lab.job={tmp}"
        args = ["qemu-system-x86_64", "-name", "berth-lab", "-nodefaults", "-no-user-config", "-display", "none"]
        args += ["-no-reboot", "-machine", "q35,kernel-irqchip=split", "-cpu", "max,-erms"]
        args += ["-accel", f"tcg,thread={thread},tb-size=1024", "-smp", str(smp), "-m", o.memory]
        if o.icount:
            args += ["-icount", "shift=0,sleep=off"]
        args += ["-kernel", self.kernel.image, "-initrd", os.path.join(tmp, "initrd")]
        args += ["-append", f"{append} {o.append}".strip()]
        args += ["-chardev", f"file,id=console,path={self.console}", "-serial", "chardev:console"]
        args += ["-chardev", f"socket,id=monitor,fd={fds['monitor']}", "-mon", "chardev=monitor,mode=control"]
        args += machine.args
        share = "local,security_model=none,multidevs=remap"
        args += ["-fsdev", f"{share},id=fs-root,path=/,readonly=on", "-fsdev", f"{share},id=fs-out,path={self.out}"]
        pci = "bus=pcie.0,disable-legacy=on"
        args += ["-device", f"virtio-9p-pci,{pci},addr=0x4,fsdev=fs-root,mount_tag=root"]
        args += ["-device", f"virtio-9p-pci,{pci},addr=0x5,fsdev=fs-out,mount_tag=out"]
        args += ["-device", f"virtio-serial-pci,{pci},addr=0x6,id=serial"]
        for name in PORTS:
            args += ["-chardev", f"socket,id={name},fd={fds[name]}"]
            args += ["-device", f"virtserialport,bus=serial.0,chardev={name},name=lab.{name}"]
        return args


class Session:
    """One boot of the lab, from the start of QEMU to its end."""

    def __init__(self, options, out, qemu, sockets):
        self._options = options
        self._out = out
        self._qemu = qemu
        self._sockets = sockets
        self._monitor = Qmp(sockets["monitor"])
        self._pending = {"control": b"", "qmp": b""}
        self._status = None
        self._started = False
        self._begin = time.monotonic()
        self._deadline = self._begin + BOOT_SECONDS

    def serve(self):
        with selectors.DefaultSelector() as selector:
            for name in PORTS:
                selector.register(self._sockets[name], selectors.EVENT_READ, name)
            while selector.get_map():
                left = self._deadline and self._deadline - time.monotonic()
                events = selector.select(left and max(0, left))
                if left and left <= 0 and not events and not self._boot_is_starved():
                    return self._late()
                for key, _ in events:
                    data = key.fileobj.recv(65536)
                    if data:
                        self._take(key.data, data)
                    else:
                        selector.unregister(key.fileobj)
        if self._status is None:
            what = "while the command ran" if self._started else "before the command started"
            raise LabError(f"the lab host went down {what}; its console:\n{self._console_tail()}")
        return self._status

    def _boot_is_starved(self):
        if self._started or time.monotonic() > self._begin + BOOT_BUSY_SECONDS:
            return False
        with open(f"/proc/{self._qemu.pid}/stat", encoding="utf-8") as f:
            user, system = f.read().rpartition(")")[2].split()[11:13]
        if (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") > BOOT_CPU_SECONDS:
            return False
        self._deadline += 10
        return True

    def _late(self):
        if self._status is not None:  # all was said and done, only QEMU did not leave
            return self._status
        if not self._started:
            seconds = time.monotonic() - self._begin
            raise BootHang(f"the lab host did not come up within {seconds:.0f} s (see {self._keep_hang()})")
        raise CommandLate(f"the command did not end within {self._options.timeout:g} s: lab stopped")

    def _keep_hang(self):
        """Leave what a person needs who wants to know where the boot stood, also when the next one succeeds."""
        handle, path = tempfile.mkstemp(prefix="berth-lab-hang.", suffix=".log")
        with os.fdopen(handle, "wb") as f:
            with open(self._console_path(), "rb") as console:
                f.write(console.read())
            for line in ("info status", "info registers -a", "info lapic 0", "info lapic 1", "info pic"):
                try:
                    answer = self._monitor.execute("human-monitor-command", **{"command-line": line})
                except (LabError, OSError) as error:
                    answer = str(error)
                f.write(f"\n== {line}\n{answer}\n".encode())
        return path

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
                self._sockets["qmp"].sendall((self._bridge(words) + "\n").encode())

    def _control(self, words):
        if words[0] == "start":
            self._started = True
            limit = self._options.timeout
            self._deadline = time.monotonic() + limit if limit else None
        elif words[0] == "exit":
            self._status = int(words[1])
            self._deadline = time.monotonic() + 20
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
        raise LabError("know only: screendump ID FILE | device_add DRIVER KEY=VALUE… | device_del ID | hmp LINE | {QMP}")

    def _console_path(self):
        return os.path.join(self._out, "console.log")

    def _console_tail(self):
        with open(self._console_path(), encoding="utf-8", errors="replace") as f:
            text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc|\r", "", f.read())
        return "\n".join("  " + line for line in text.splitlines()[-15:])

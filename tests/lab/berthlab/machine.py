# SPDX-License-Identifier: GPL-2.0-or-later
"""Start the emulated machine, as often as it takes it to boot, and end it."""

import ctypes
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile

from . import cache, cpio
from .cache import HERE, LabError
from .session import PORTS, BootFailed, Session
from .topology import TOPOLOGIES, Machine

BOOT_TRIES = 3
INITRD_MODULES = ["9p", "9pnet_virtio", "overlay"]
INITRD_APPLETS = ["sh", "mount", "mkdir", "insmod", "cat", "switch_root", "poweroff"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Lab:
    def __init__(self, options):
        self.options = options
        self.out = None
        self.kernel = cache.named_kernel(options.kernel)
        self.guest_kernel = cache.stock_kernel()

    def run(self, command, out):
        """Run the command and return its exit status; $LAB_OUT is the folder out."""
        self.out = out
        for attempt in range(1, BOOT_TRIES + 1):
            try:
                with tempfile.TemporaryDirectory(prefix="berth-lab.") as tmp:
                    return self._boot(command, tmp)
            except BootFailed as failure:
                if attempt == BOOT_TRIES:
                    raise
                say(f"{failure}\nlab: starting it again ({attempt} of {BOOT_TRIES})")
        raise AssertionError

    def _boot(self, command, tmp):
        machine = Machine(tmp, self.options.icount)
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
            return Session(self.options.timeout, self.out, qemu, ours).serve()
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
        # no_timer_check, tsc=reliable: neither is to be judged on a machine that may be short of CPU time
        append = "console=ttyS0 quiet panic=-1 nokaslr no_timer_check tsc=reliable intel_iommu=on iommu=nopt sysrq_always_enabled"
        append += f" lab.init={os.path.join(HERE, 'inside', 'init')} lab.job={tmp}"
        args = ["qemu-system-x86_64", "-name", "berth-lab", "-nodefaults", "-no-user-config", "-display", "none"]
        args += ["-no-reboot", "-machine", "q35,kernel-irqchip=split", "-cpu", "max,-erms"]
        args += ["-accel", f"tcg,thread={thread},tb-size=1024", "-smp", str(smp), "-m", o.memory]
        if o.icount:
            args += ["-icount", "shift=0,sleep=off"]
        args += ["-kernel", self.kernel.image, "-initrd", os.path.join(tmp, "initrd")]
        args += ["-append", f"{append} {o.append}".strip()]
        args += ["-chardev", f"file,id=console,path={os.path.join(self.out, 'console.log')}", "-serial", "chardev:console"]
        args += ["-chardev", f"socket,id=monitor,fd={fds['monitor']}", "-mon", "chardev=monitor,mode=control"]
        args += machine.args
        if o.disk:
            # writethrough: what the lab host was told is on the disk is there, also when QEMU is killed
            args += ["-drive", f"if=none,id=disk-kept,file={os.path.realpath(o.disk)},format=raw,cache=writethrough"]
            args += ["-device", "virtio-blk-pci,id=disk1,bus=pcie.0,addr=0x7,drive=disk-kept,disable-legacy=on,serial=lab-kept"]
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

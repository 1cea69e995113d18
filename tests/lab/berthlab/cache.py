# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab fetched once: a Debian kernel, unpacked and never installed, and a static busybox.

    CACHE/kernel/VERSION/boot/vmlinuz-VERSION      the stock kernel
    CACHE/kernel/VERSION/lib/modules/VERSION       its modules, unpacked; give CACHE/kernel/VERSION to modprobe -d
    CACHE/kernel/stock -> VERSION
    CACHE/kernel/iommufd/bzImage                   built by kernel.py (`make lab-kernel`), with lib/modules beside it
    CACHE/busybox
"""

import fcntl
import glob
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
DEPS = os.path.join(os.path.dirname(os.path.dirname(HERE)), "packaging", "deps.sh")
SYSTEM = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}  # depmod and modprobe, for any user


class LabError(Exception):
    """Something to tell the user in one sentence."""


def folder():
    return os.environ.get("BERTH_LAB_CACHE", "/var/cache/berth-lab")


class Kernel:
    """A kernel image, and the folder below which its lib/modules lies (None: everything is built in)."""

    def __init__(self, image, base):
        self.image = image
        found = [os.path.basename(os.path.dirname(p)) for p in glob.glob(os.path.join(base, "lib/modules/*/modules.dep"))]
        named = os.path.basename(image).partition("-")[2]
        self.version = named if named in found else found[0] if len(found) == 1 else None
        self.base = base if self.version else None

    def modules(self, names):
        """Paths of the named modules and all they need, in the order to load them. Built-in ones are left out."""
        if not self.base or not names:
            return []
        command = ["modprobe", "-d", self.base, "-S", self.version, "--show-depends", "-a", *names]
        shown = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, env=SYSTEM)
        if shown.returncode:
            raise LabError(f"kernel {self.version}: {shown.stderr.strip()}")
        paths = [line.split()[1] for line in shown.stdout.splitlines() if line.startswith("insmod ")]
        return list(dict.fromkeys(paths))


def stock_kernel():
    base = os.path.realpath(os.path.join(folder(), "kernel", "stock"))
    images = glob.glob(os.path.join(base, "boot", "vmlinuz-*"))
    if len(images) != 1:
        raise LabError(f"no kernel in {folder()}: run 'tests/lab/lab setup' first")
    return Kernel(images[0], base)


def named_kernel(name):
    if name == "stock":
        return stock_kernel()
    if name == "iommufd":
        base = os.path.join(folder(), "kernel", "iommufd")
        image = os.path.join(base, "bzImage")
        if not os.path.exists(image):
            raise LabError(f"no iommufd kernel at {image}: 'make lab-kernel' builds it, once, in some 20 minutes")
        return Kernel(image, base)
    image = os.path.realpath(name)
    if not os.path.isfile(image):
        raise LabError(f"--kernel {name}: no such file")
    folder_of = os.path.dirname(image)
    return Kernel(image, os.path.dirname(folder_of) if os.path.basename(folder_of) == "boot" else folder_of)


def busybox():
    path = os.path.join(folder(), "busybox")
    if not os.path.exists(path):
        raise LabError(f"no busybox in {folder()}: run 'tests/lab/lab setup' first")
    return path


def make_cache():
    """The packages that the lab needs, and an empty cache."""
    subprocess.run(["sh", DEPS, "lab"], check=True)
    os.makedirs(os.path.join(folder(), "kernel"), exist_ok=True)


def places():
    """The lock files of labs that may run at the same time: one for each CPU."""
    return [os.path.join(folder(), f"run.{i}.lock") for i in range(os.cpu_count() or 1)]


def setup(refresh=False):
    """Install QEMU and its like if missing, and fill the cache. Does nothing when all is there."""
    make_cache()
    for path in places():
        if not os.path.exists(path):
            os.close(os.open(path, os.O_CREAT))
            os.chmod(path, 0o666)  # for every user of this machine
    with open(os.path.join(folder(), "setup.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if refresh or not os.path.exists(os.path.join(folder(), "busybox")):
            _fetch("busybox-static", _keep_busybox)
        if refresh or not os.path.exists(os.path.join(folder(), "kernel", "stock")):
            _fetch(_kernel_package(), _keep_kernel)
    return stock_kernel()


def tell(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def apt(*command, **options):
    return subprocess.run(["sh", DEPS, "apt", *command], check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def _kernel_package():
    shown = apt("apt-cache", "--no-all-versions", "show", "linux-image-amd64")
    match = re.search(r"^Depends:.*?(linux-image-[^\s,]+-amd64)", shown, re.M)
    if not match:
        raise LabError("linux-image-amd64 does not say which kernel it stands for: are this machine's APT sources complete?")
    return match[1]


def _fetch(package, keep):
    tell(f"fetching {package}")
    with tempfile.TemporaryDirectory(dir=folder(), prefix="fetch.") as work:
        apt("apt-get", "-q", "download", package, cwd=work)
        (deb,) = glob.glob(os.path.join(work, "*.deb"))
        unpacked = os.path.join(work, "unpacked")
        subprocess.run(["dpkg", "-x", deb, unpacked], check=True)
        keep(unpacked)


def _keep_busybox(unpacked):
    (found,) = glob.glob(os.path.join(unpacked, "**/bin/busybox"), recursive=True)
    os.rename(found, os.path.join(folder(), "busybox"))


def _keep_kernel(unpacked):
    if not os.path.isdir(os.path.join(unpacked, "lib/modules")):  # a release may ship them below /usr
        os.rename(os.path.join(unpacked, "usr/lib"), os.path.join(unpacked, "lib"))
    (version,) = os.listdir(os.path.join(unpacked, "lib/modules"))
    tell(f"unpacking the modules of {version}")
    modules = glob.glob(os.path.join(unpacked, "lib/modules", version, "**/*.ko.xz"), recursive=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # once here, not at every boot on an emulated CPU
        list(pool.map(_unpack_module, modules))
    subprocess.run(["depmod", "-b", unpacked, version], check=True, env=SYSTEM)
    shutil.rmtree(os.path.join(unpacked, "usr"), ignore_errors=True)

    final = os.path.join(folder(), "kernel", version)
    shutil.rmtree(final, ignore_errors=True)
    os.rename(unpacked, final)
    link = os.path.join(folder(), "kernel", "stock")
    os.symlink(version, link + ".new")
    os.rename(link + ".new", link)


def read_module(path):
    with open(path, "rb") as f:
        data = f.read()
    return lzma.decompress(data) if path.endswith(".xz") else data


def _unpack_module(path):
    data = read_module(path)
    with open(path.removesuffix(".xz"), "wb") as f:
        f.write(data)
    os.unlink(path)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the lab's small kernel: what Debian's has and the lab uses, and iommufd with VFIO's character devices.

    CACHE/kernel/iommufd-HASH/bzImage              HASH: of the source package's version and of kernel/iommufd.config
    CACHE/kernel/iommufd-HASH/lib/modules/VERSION
    CACHE/kernel/iommufd -> iommufd-HASH
"""

import contextlib
import fcntl
import glob
import hashlib
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time

from .cache import DEPS, HERE, SYSTEM, LabError, apt, folder, make_cache, tell

SOURCE = "linux-source-6.12"
FRAGMENT = os.path.join(HERE, "kernel", "iommufd.config")
LINK = "iommufd"
PROGRESS = 60  # seconds between two lines that say how far it is


def link_path():
    return os.path.join(folder(), "kernel", LINK)


def current(version):
    """The name of the folder that holds the kernel of this version and of the fragment as it is now."""
    with open(FRAGMENT, "rb") as f:
        digest = hashlib.sha256(version.encode() + b"\n" + f.read()).hexdigest()
    return f"iommufd-{digest[:12]}"


def cached():
    """Is the kernel there, built from the fragment as it is now? Asks no package list: any version will do."""
    try:
        with open(os.path.join(link_path(), "version"), encoding="utf-8") as f:
            version = f.read().strip()
    except OSError:
        return False
    return os.path.basename(os.path.realpath(link_path())) == current(version)


def build():
    """Build it, unless it is there. One at a time: a second caller waits for the first and finds the work done."""
    if cached():
        return
    make_cache()
    with _only_one():
        if cached():
            return
        subprocess.run(["sh", DEPS, "kernel"], check=True)
        version = _candidate()
        name = current(version)
        final = os.path.join(folder(), "kernel", name)
        if not os.path.exists(os.path.join(final, "bzImage")):
            start = time.monotonic()
            with tempfile.TemporaryDirectory(dir=folder(), prefix="build.") as work:
                _build_in(work, version, final)
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            tell(f"kernel built in {_minutes(time.monotonic() - start)}, with {_minutes(used.ru_utime + used.ru_stime)} of "
                 f"processor time on {os.cpu_count()} cores")
        os.symlink(name, link_path() + ".new")
        os.rename(link_path() + ".new", link_path())


@contextlib.contextmanager
def _only_one():
    with open(os.path.join(folder(), "kernel.lock"), "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("waiting for another build of the kernel to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _candidate():
    shown = apt("apt-cache", "policy", SOURCE)
    match = re.search(r"^\s*Candidate: (\S+)$", shown, re.M)
    if not match or match[1] == "(none)":
        raise LabError(f"no package {SOURCE}: are this machine's APT sources complete?")
    return match[1]


def _build_in(work, version, final):
    tell(f"building a kernel with iommufd from {SOURCE} {version}: once, some 20 minutes on two idle cores")
    tree = _unpack(work, version)
    _configure(tree)
    _compile(tree)
    made = os.path.join(work, "made")
    _install(tree, made)
    with open(os.path.join(made, "version"), "w", encoding="utf-8") as f:
        f.write(f"{version}\n")
    shutil.rmtree(final, ignore_errors=True)
    os.makedirs(os.path.dirname(final), exist_ok=True)
    os.rename(made, final)


def _unpack(work, version):
    apt("apt-get", "-q", "download", f"{SOURCE}={version}", cwd=work)
    (deb,) = glob.glob(os.path.join(work, "*.deb"))
    subprocess.run(["dpkg", "-x", deb, os.path.join(work, "package")], check=True)
    (archive,) = glob.glob(os.path.join(work, "package/usr/src/linux-source-*.tar.*"))
    subprocess.run(["nice", "-n", "10", "tar", "-xf", archive], cwd=work, check=True)
    shutil.rmtree(os.path.join(work, "package"))
    (tree,) = glob.glob(os.path.join(work, "linux-source-*", ""))
    return tree


def _make(tree, *targets, **options):
    """make(1) in the kernel's tree. Compilers are taken from PATH, so that a ccache there is used."""
    words = ["nice", "-n", "10", "make", "-s", "ARCH=x86", "KBUILD_BUILD_USER=berth", "KBUILD_BUILD_HOST=lab", *targets]
    return subprocess.Popen(words, cwd=tree, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, env=SYSTEM, start_new_session=True, **options)


def _run_make(tree, *targets):
    made = _make(tree, *targets)
    _, said = made.communicate()
    if made.returncode:
        raise LabError(f"make {' '.join(targets)}: exit status {made.returncode}\n{_tail(said)}")


def _configure(tree):
    _run_make(tree, "tinyconfig")
    with open(FRAGMENT, encoding="utf-8") as f:
        fragment = f.read()
    with open(os.path.join(tree, ".config"), "a", encoding="utf-8") as f:
        f.write(fragment)  # of two lines for one option the last one counts
    _run_make(tree, "olddefconfig")
    missing = unset(fragment, os.path.join(tree, ".config"))
    if missing:
        raise LabError(f"kernel/iommufd.config: {len(missing)} options did not take hold: {', '.join(missing)}\n"
                       "lab: each has a dependency that is not met, or another name in this version of Linux")


def unset(fragment, config):
    """The options of the fragment that the configuration does not have as asked for."""
    with open(config, encoding="utf-8") as f:
        have = _options(f.read())
    # an option that its dependencies hide is as good as one that is not set
    return [f"{name}={value}" for name, value in _options(fragment).items() if have.get(name, "n") != value]


def _options(text):
    """What a configuration says, by option; "n" for those that are said not to be set."""
    options = {}
    for line in text.splitlines():
        match = re.match(r"(CONFIG_\w+)=(.*)$", line)
        if match:
            options[match[1]] = match[2]
        match = re.match(r"# (CONFIG_\w+) is not set$", line)
        if match:
            options[match[1]] = "n"
    return options


def _compile(tree):
    made = _make(tree, f"-j{os.cpu_count()}", "bzImage", "modules")
    start = time.monotonic()
    try:
        while True:
            try:
                _, said = made.communicate(timeout=PROGRESS)
                break
            except subprocess.TimeoutExpired:
                tell(f"kernel: {_objects(tree)} files compiled in {_minutes(time.monotonic() - start)}")
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(made.pid, signal.SIGTERM)
        made.wait()
        raise
    if made.returncode:
        raise LabError(f"the kernel does not build\n{_tail(said)}")


def _objects(tree):
    return sum(name.endswith(".o") for _, _, names in os.walk(tree) for name in names)


def _install(tree, made):
    os.mkdir(made)
    _run_make(tree, f"INSTALL_MOD_PATH={made}", "INSTALL_MOD_STRIP=1", "modules_install")
    shutil.copy(os.path.join(tree, "arch/x86/boot/bzImage"), made)
    shutil.copy(os.path.join(tree, ".config"), os.path.join(made, "config"))
    for link in glob.glob(os.path.join(made, "lib/modules/*/build")):
        os.unlink(link)


def _tail(text):
    return "\n".join("  " + line for line in text.splitlines()[-20:])


def _minutes(seconds):
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"

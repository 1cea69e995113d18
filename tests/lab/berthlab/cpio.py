# SPDX-License-Identifier: GPL-2.0-or-later
"""Write an initrd: a cpio archive in the kernel's "newc" form."""

import os
import stat


class Archive:
    """Files are added with their final path; parent folders are made on the way."""

    def __init__(self):
        self._out = bytearray()
        self._seen = set()
        self._inode = 0

    def folder(self, path):
        self._parents(path)
        self._entry(path, stat.S_IFDIR | 0o755)

    def file(self, path, data, mode=0o644):
        self._parents(path)
        self._entry(path, stat.S_IFREG | mode, data)

    def copy(self, path, source):
        with open(source, "rb") as f:
            self.file(path, f.read(), stat.S_IMODE(os.fstat(f.fileno()).st_mode))

    def symlink(self, path, target):
        self._parents(path)
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def device(self, path, major, minor, mode=0o600):
        self._parents(path)
        self._entry(path, stat.S_IFCHR | mode, device=(major, minor))

    def save(self, path):
        self._entry("TRAILER!!!", 0)
        with open(path, "wb") as f:
            f.write(self._out)

    def _parents(self, path):
        path = path.strip("/")
        for i, c in enumerate(path):
            if c == "/" and path[:i] not in self._seen:
                self._entry(path[:i], stat.S_IFDIR | 0o755)

    def _entry(self, path, mode, data=b"", device=(0, 0)):
        path = path.strip("/")
        if path in self._seen:
            return
        self._seen.add(path)
        self._inode += 1
        name = path.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        self._out += b"070701" + b"".join(b"%08x" % f for f in fields) + name
        self._pad()
        self._out += data
        self._pad()

    def _pad(self):
        self._out += b"\0" * (-len(self._out) % 4)

"""A safe reader for /proc, /sys and /dev under a root.

A captured tree may contain anything: a pipe that never ends, a device that acts
when it is opened, a link that leads out of the tree. Anything but a regular,
readable file inside the root counts as absent.
"""

from __future__ import annotations

import itertools
import os
import stat
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 64 * 1024
MAX_ENTRIES = 512
MAX_DIGITS = 18
"""The kernel writes no longer numbers, and all of these fit into a float."""

_ANYBODY = {os.R_OK: 0o444, os.W_OK: 0o222}


@dataclass(frozen=True, slots=True)
class Tree:
    """One root; paths are relative to it. Absence is empty, never an error."""

    root: str
    """A real path, so that paths inside of it start with it."""

    @classmethod
    def at(cls, root: Path) -> Tree:
        return cls(os.path.realpath(root))

    @property
    def live(self) -> bool:
        """Return whether this is the running machine and not a captured tree."""
        return self.root == "/"

    def read(self, path: str) -> bytes:
        """Return up to 64 kB of a regular file; b"" for anything else."""
        # Opening a device can have an effect (a watchdog starts), so the file type is
        # checked before, and again after, when it can no longer change.
        place = self.file(path)
        if place is None:
            return b""
        try:
            fd = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            return b""
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return b""
            return _read(fd)
        except OSError:  # sysfs: the device has disappeared, or has no value now
            return b""
        finally:
            os.close(fd)

    def file(self, path: str) -> Path | None:
        """Return the real path of a regular file; None for anything else."""
        place = self.inside(path)
        if place is None:
            return None
        try:
            return Path(place) if stat.S_ISREG(Path(place).stat().st_mode) else None
        except OSError:
            return None

    def text(self, path: str) -> str:
        """Return the file's text without surrounding space; "" if none."""
        return self.read(path).decode("utf-8", "replace").strip(" \t\r\n\0")

    def integer(self, path: str) -> int | None:
        """Return the decimal number in the file, or None."""
        return parse_int(self.text(path))

    def names(self, path: str) -> list[str]:
        """List a folder's entries in natural order; at most 512 of them."""
        place = self.inside(path)
        if place is None:
            return []
        try:
            with os.scandir(place) as entries:
                found = [e.name for e in itertools.islice(entries, MAX_ENTRIES)]
        except OSError:
            return []
        # Only a damaged copy has names that cannot be printed.
        return sorted(filter(str.isprintable, found), key=_natural)

    def access(self, path: str, mode: int) -> bool:
        """Return whether the file is accessible (os.F_OK, or os.R_OK | os.W_OK).

        On the running machine: to this process. In a copy, where the user is
        unknown: to any user.
        """
        place = self.inside(path)
        if place is None:
            return False
        if self.live:
            return os.access(place, mode)
        try:
            have = Path(place).stat().st_mode
        except OSError:
            return False
        return all(have & bits for how, bits in _ANYBODY.items() if mode & how)

    def target(self, path: str) -> str:
        """Return the last part of a link's target; "" if it is no link.

        The link is not followed; in sysfs its target names a device's driver.
        """
        folder, _, name = path.rpartition("/")
        place = self.inside(folder)
        try:
            return Path(place, name).readlink().name if place else ""
        except OSError:
            return ""

    def inside(self, path: str) -> str | None:
        """Return the real path, or None when a link leads out of the root.

        The kernel's /proc/device-tree is such a link: in a copied tree it would
        lead to the running machine. A text that cannot be a path is None, too.
        """
        if "\0" in path:
            return None
        if self.live:
            return "/" + path
        place = os.path.realpath(f"{self.root}/{path}")
        return place if place.startswith(self.root + "/") else None


def parse_int(text: str, base: int = 10) -> int | None:
    """Return the whole number, of at most 18 digits, or None.

    >>> parse_int("-89700"), parse_int("5f", 16), parse_int("9" * 19)
    (-89700, 95, None)
    """
    digits = text.removeprefix("-")
    if len(digits) > MAX_DIGITS or not (digits.isascii() and digits.isalnum()):
        return None
    try:
        return int(text, base)
    except ValueError:
        return None


def parse_decimal(text: str) -> float | None:
    """Return the number, which may have a point, of at most 18 digits, or None.

    >>> parse_decimal("1.5"), parse_decimal("nan"), parse_decimal("9" * 19)
    (1.5, None, None)
    """
    return None if parse_int(text.replace(".", "", 1)) is None else float(text)


def _read(fd: int) -> bytes:
    chunks: list[bytes] = []
    left = MAX_BYTES
    while left and (chunk := os.read(fd, left)):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def _natural(name: str) -> tuple[str, int, str]:
    """Sort i2c-2 before i2c-10."""
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :][:MAX_DIGITS] or 0), name

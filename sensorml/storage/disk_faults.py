"""The reason why a journal cannot be written, found in its file system."""

from __future__ import annotations

import errno
import os
import pwd
import resource
import sqlite3
from pathlib import Path
from typing import Final

from sensorml.errors import Reason, StoreError
from sensorml.files import shown

_FULL_BYTES: Final = 64_000
"""Less free space is none: SQLite extends its files by pages and by 32 kB."""
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_FILES: Final = ("", "-wal", "-shm", ".lock")
_ELSEWHERE: Final = "or set [store] path to another disk"


def fault(path: Path, err: OSError | sqlite3.Error) -> StoreError:
    """Return the error of a journal that cannot be opened or written."""
    what, cure = _reason(path, err)
    return StoreError(f"{shown(path)}: cannot be written: {what}: {cure}")


def _reason(path: Path, err: OSError | sqlite3.Error) -> Reason:
    code = sqlite_code(err)
    number = err.errno if isinstance(err, OSError) else 0
    if code in _BUSY:
        what = "another program holds its lock"
        return Reason(what, "end that program (sqlite3, a backup of the file)")
    if denied := _denied(path):
        return denied
    if full := _full(
        path, certain=code == sqlite3.SQLITE_FULL or number == errno.ENOSPC
    ):
        return full
    text = (err.strerror or str(err)) if isinstance(err, OSError) else str(err)
    if code == sqlite3.SQLITE_IOERR or number == errno.EIO:
        cure = f"look for errors of the disk (dmesg) and repair it, {_ELSEWHERE}"
        return Reason(text, cure)
    return Reason(text, f"check the disk and the folder, {_ELSEWHERE}")


def sqlite_code(err: OSError | sqlite3.Error) -> int:
    """Return the primary code of an error of SQLite; 0 for others."""
    # The low byte: SQLite's extended codes add detail above it.
    return getattr(err, "sqlite_errorcode", 0) & 0xFF


def _full(path: Path, *, certain: bool) -> Reason | None:
    """Return that there is no space, where this is so."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(size_of(path), size_of(path.with_name(path.name + "-wal")))
    if limit != resource.RLIM_INFINITY and size + _FULL_BYTES > limit:
        what = f"this process may not write files above {limit / 1e6:g} MB"
        return Reason(what, "raise LimitFSIZE of the unit (ulimit -f)")
    try:
        disk = os.statvfs(_nearest(path))
    except OSError:
        return None
    free = (disk.f_bavail if os.geteuid() else disk.f_bfree) * disk.f_frsize
    if free >= _FULL_BYTES and not certain:
        return None
    total = disk.f_blocks * disk.f_frsize
    what = f"the disk is full ({free / 1e6:.1f} of {total / 1e6:.0f} MB are free)"
    return Reason(what, f"free space on it, {_ELSEWHERE}")


def _denied(path: Path) -> Reason | None:
    """Return that this user may not write, where this is so."""
    folder = _nearest(path.parent)
    for above in (*reversed(folder.parents), folder):
        if not _may(above, os.X_OK):
            return _no_access(above)
    if not _may(folder, os.W_OK):
        return _no_access(folder)
    for suffix in _FILES:
        file = path.with_name(path.name + suffix)
        if file.exists() and not _may(file, os.R_OK | os.W_OK):
            return _no_access(file)
    return None


def _no_access(place: Path) -> Reason:
    """Return why a file or folder that exists cannot be written."""
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        what = f"the file system of {shown(place)} is read-only"
        return Reason(what, f"mount it writable or repair the disk, {_ELSEWHERE}")
    me, owner = os.geteuid(), place.stat().st_uid
    if me == 0:
        what = f"{shown(place)} is protected against changes"
        return Reason(what, f"remove the protection (chattr -i -a {shown(place)})")
    if owner != me:
        what = f"{shown(place)} belongs to {_user(owner)}"
        return Reason(what, f"chown {_user(me)} {shown(place)}")
    rights = "u+rwx" if place.is_dir() else "u+rw"
    what = f"{shown(place)} does not permit it"
    return Reason(what, f"chmod {rights} {shown(place)}")


def _may(place: Path, mode: int) -> bool:
    return os.access(place, mode, effective_ids=True)


def _nearest(path: Path) -> Path:
    """Return the path, or the lowest folder above it that exists and is visible."""
    return next(p for p in (path, *path.parents) if _may(p, os.F_OK) or p == p.parent)


def size_of(path: Path) -> int:
    """Return the bytes of a file; 0 if there is none that can be seen."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)

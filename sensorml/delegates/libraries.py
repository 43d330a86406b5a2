"""Where a shared library is (ld.so(8)), and whether it loads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from sensorml.delegates import isolated as outside
from sensorml.delegates.isolated import Said
from sensorml.hardware.tree import Tree

_LOADER = Path(__file__).with_name("library_main.py")
_DEFAULT = ("lib", "usr/lib", "lib64", "usr/lib64", "usr/local/lib")
_MULTIARCH = {
    ("aarch64", 64): "aarch64-linux-gnu",
    ("aarch64", 32): "arm-linux-gnueabihf",
    ("armv7l", 32): "arm-linux-gnueabihf",
    ("armv6l", 32): "arm-linux-gnueabihf",
    ("x86_64", 64): "x86_64-linux-gnu",
}
"""Debian's folder for libraries, by the kernel's architecture and program size."""


def find(
    names: Iterable[str], root: Path, *, machine: str, bits: int | None
) -> Path | None:
    """Return where the first of the libraries is, or None.

    Looks where the dynamic linker of the machine under `root` would; of the
    running machine also in LD_LIBRARY_PATH. A copy of a kernel before 6.1 does
    not name its architecture: there Debian's folder of any counts.
    """
    tree = Tree.at(root)
    known = _MULTIARCH.get((machine, bits or 0))
    multiarch = {known} if known else set(_MULTIARCH.values())
    folders = list(_folders(tree, sorted(multiarch)))
    for name in names:
        for folder in folders:
            place = tree.file(f"{folder}/{name}".lstrip("/"))
            if place is not None:
                return place
    return None


def load(path: Path) -> Said:
    """Load a library in a process of its own; return its version, if it has one.

    The same file is loaded once: a service asks before every opening.
    """
    try:
        state = path.stat()
    except OSError as err:
        return Said(why_not=str(err.strerror))
    return _load(str(path), state.st_mtime_ns, state.st_size)


@lru_cache
def _load(path: str, _changed_ns: int, _size: int) -> Said:
    return outside.ask(_LOADER, path, options=outside.LONE)


def _folders(tree: Tree, multiarch: list[str]) -> Iterator[str]:
    if tree.live:
        yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    for name in tree.names("etc/ld.so.conf.d"):
        for line in tree.text(f"etc/ld.so.conf.d/{name}").splitlines():
            if line.startswith("/"):
                yield line.strip()
    for folder in _DEFAULT:
        yield from (f"{folder}/{name}" for name in multiarch)
        yield folder

"""Shared libraries of delegates: where they are (ld.so(8)), whether they load."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from sensorml.hardware.tree import Tree

LOAD_S: Final = 10.0
"""Reading a large library from a slow SD card takes seconds."""

_LOADER = Path(__file__).with_name("edgetpu_library.py")
_DEFAULT = ("lib", "usr/lib", "lib64", "usr/lib64", "usr/local/lib")
_MULTIARCH = {
    ("aarch64", 64): "aarch64-linux-gnu",
    ("aarch64", 32): "arm-linux-gnueabihf",
    ("armv7l", 32): "arm-linux-gnueabihf",
    ("armv6l", 32): "arm-linux-gnueabihf",
    ("x86_64", 64): "x86_64-linux-gnu",
}
"""Debian's folder for libraries, by the kernel's architecture and program size."""


class LoadResult(NamedTuple):
    """The version of a library that loads, or the reason why it does not."""

    version: str = ""
    """As libedgetpu reports it; other libraries report none."""
    why_not: str | None = None


def find(
    names: Iterable[str], root: Path, *, machine: str, bits: int | None
) -> Path | None:
    """Return the path of the first of the libraries, or None.

    Looks where the dynamic linker of the machine under `root` would; on the
    running machine also in LD_LIBRARY_PATH. In a captured tree of a kernel before
    6.1 the architecture is unknown: every folder of Debian is searched.
    """
    tree = Tree.at(root)
    own = _MULTIARCH.get((machine, bits or 0))
    multiarch = {own} if own else set(_MULTIARCH.values())
    folders = list(_folders(tree, sorted(multiarch)))
    for name in names:
        for folder in folders:
            path = tree.file(f"{folder}/{name}".lstrip("/"))
            if path is not None:
                return path
    return None


def load(path: Path) -> LoadResult:
    """Load a library in a separate process and return its version.

    The result is kept until the file changes, because a service asks before
    every opening.
    """
    try:
        state = path.stat()
    except OSError as err:
        return LoadResult(why_not=str(err.strerror))
    return _load(str(path), state.st_mtime_ns, state.st_size)


@lru_cache
def _load(path: str, _changed_ns: int, _size: int) -> LoadResult:
    return run_loader(_LOADER, path)


def run_loader(script: Path, path: str, *, load_s: float = LOAD_S) -> LoadResult:
    """Run a script that loads the library at `path`; its output is the version.

    After `load_s` it is killed.
    """
    import subprocess

    try:
        done = subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", str(script), path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=load_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return LoadResult(why_not=f"no answer for {load_s:g} s")
    except OSError as err:
        return LoadResult(why_not=f"no process could be started ({err.strerror})")
    if done.returncode < 0:
        why = f"the process that loads it is killed by {signal_name(-done.returncode)}"
        return LoadResult(why_not=why)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return LoadResult(why_not=lines[-1] if lines else "no reason is given")
    return LoadResult(done.stdout.decode(errors="replace").strip())


def signal_name(number: int) -> str:
    """Return the name of a signal; real-time signals have none.

    >>> signal_name(11), signal_name(40)
    ('SIGSEGV', 'signal 40')
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


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

"""The health of the machine at one moment, from its kernel.

Sources: proc(5); Documentation/ABI/testing/sysfs-class-thermal of the Linux kernel.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from sensorml.hardware.facts import kilobytes, temperatures, throttling
from sensorml.hardware.tree import Tree


class Health(NamedTuple):
    """Temperature, throttling, load, memory and disk."""

    temperature_c: float | None
    """Of the hottest thermal zone."""
    throttling: tuple[str, ...]
    """The reasons, those of this moment and those since the start."""
    load: float | None
    """The load average of one minute."""
    memory_free_bytes: int
    process_bytes: int
    """Resident memory of this process."""
    disk_free_bytes: int
    """Free for this user, where the journal is."""

    @property
    def throttled(self) -> bool:
        """Return whether something throttles the processor now."""
        return any(reason.endswith(" now") for reason in self.throttling)


def health(folder: Path, tree: Tree) -> Health:
    """Read the health; absent facts are None or 0.

    Args:
        folder: on the file system whose free space counts.
        tree: the root of /proc and /sys.
    """
    return Health(
        temperature_c=max((zone.temp_c for zone in temperatures(tree)), default=None),
        throttling=throttling(tree),
        load=_load(tree.text("proc/loadavg")),
        memory_free_bytes=kilobytes(tree.text("proc/meminfo"), "MemAvailable") or 0,
        process_bytes=kilobytes(tree.text("proc/self/status"), "VmRSS") or 0,
        disk_free_bytes=_free(folder),
    )


def _load(text: str) -> float | None:
    """Return the first number of /proc/loadavg.

    >>> _load("0.52 0.58 0.59 1/389 1234")
    0.52
    """
    first = text.partition(" ")[0]
    try:
        return float(first)
    except ValueError:
        return None


def _free(folder: Path) -> int:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return 0
    return disk.f_bavail * disk.f_frsize

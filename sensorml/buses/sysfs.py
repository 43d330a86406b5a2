"""Sensors that the kernel reads: one number in a file, found by name.

The kernel numbers devices in the order in which it meets them, so a folder is
looked for by the name in it each time a driver starts.
"""

from __future__ import annotations

import contextlib
import errno
import math
from pathlib import Path
from typing import Final

from sensorml.errors import BusError, SensorError

ROOT: Final = Path("/sys")

_CURES = {
    errno.ENOENT: "it is gone: check the wiring and the device's driver (dmesg)",
    errno.EACCES: "access denied: check the file's permissions",
    errno.EPERM: "access denied: check the file's permissions",
    errno.EIO: "the device did not answer properly: check its wiring",
    errno.EAGAIN: "no value yet: try again later",
    errno.ENODATA: "no value: the channel is switched off",
    errno.EBUSY: "somebody else uses it (a buffer is on?): stop that",
}


def text(path: Path) -> str:
    """Return what is in the file, without the newline.

    Raises:
        BusError: it cannot be read.
    """
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as err:
        why = _CURES.get(err.errno or 0, f"{err.strerror}: check the device (dmesg)")
        raise BusError(err.errno, f"{path}: {why}") from err


def number(path: Path) -> float:
    """Return the number in the file.

    Raises:
        BusError: it cannot be read.
        SensorError: something else is in it.
    """
    return parsed(text(path), str(path))


def parsed(found: str, where: str) -> float:
    """Return the number that a text is.

    Raises:
        SensorError: it is something else.
    """
    with contextlib.suppress(ValueError):
        if math.isfinite(value := float(found)):
            return value
    what = f"holds {found[:40]!r}" if found else "is empty"
    raise SensorError(f"{where}: {what}, and no number: check the wiring of the sensor")


def find(folder: Path, pattern: str, wanted: str, label: str = "") -> Path:
    """Return the device that is called `wanted`, or whose file `label` says so.

    Raises:
        BusError: there is none; the message names those that there are.
    """
    known: list[str] = []
    for device in sorted(folder.glob(pattern)):
        names = [device.name]
        if label and (device / label).is_file():
            names.append(text(device / label))
        if wanted in names:
            return device
        known.append(" = ".join(names))
    there = ", ".join(known) if known else f"no {pattern}"
    raise BusError(
        errno.ENODEV,
        f"{folder}: there is no {wanted!r}, but {there}: correct the name, or load "
        "the device's driver (dtoverlay)",
    )

"""Attribute files of sensors that a kernel driver reads; failures are errors.

The kernel numbers devices in the order in which it detects them, so a device is
found by its name each time a driver starts. (`hardware.tree` reads facts, whose
absence is no error.)
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
from pathlib import Path
from typing import Final

from sensorml.errors import BusError, SensorError

ROOT: Final = Path("/sys")

_CURES = {
    errno.ENOENT: "no such file: check the wiring and the device's driver (dmesg)",
    errno.EACCES: "access denied: check the file's permissions",
    errno.EPERM: "a container or unit forbids the access: allow it there",
    errno.EIO: "the device did not answer correctly: check its wiring",
    errno.EAGAIN: "no value yet: wait",
    errno.ENODATA: "no value: switch the channel on",
    errno.EROFS: "the file is read-only here: a container or unit must allow the write",
    errno.EBUSY: "the device is in use: stop the program that reads it, or its buffer",
}


def text(path: Path) -> str:
    """Return the text of the file, without the newline.

    Raises:
        BusError: it cannot be read.
    """
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as err:
        raise _explained(path, err) from err


def write(path: Path, value: str) -> None:
    """Write a text and a newline to the file, in one system call.

    Raises:
        BusError: it cannot be written.
    """
    try:
        file = os.open(path, os.O_WRONLY)
        try:
            os.write(file, f"{value}\n".encode("ascii"))
        finally:
            os.close(file)
    except OSError as err:
        raise _explained(path, err) from err


def _explained(path: Path, err: OSError) -> BusError:
    why = _CURES.get(err.errno or 0, f"{err.strerror}: check the device (dmesg)")
    return BusError(err.errno, f"{path}: {why}")


def number(path: Path) -> float:
    """Return the number in the file.

    Raises:
        BusError: it cannot be read.
        SensorError: it holds no number.
    """
    return parsed(text(path), str(path))


def parsed(value: str, where: str) -> float:
    """Return the number in a text; `where` is for messages.

    Raises:
        SensorError: it is no number.
    """
    with contextlib.suppress(ValueError):
        if math.isfinite(number := float(value)):
            return number
    what = f"{value[:40]!r} is no number" if value else "no number, it is empty"
    raise SensorError(f"{where}: {what}: check the wiring of the sensor")


def find(folder: Path, pattern: str, name: str, label: str = "") -> Path:
    """Return the device with this name, or with this name in its file `label`.

    Raises:
        BusError: there is none; the message lists the devices.
    """
    others: list[str] = []
    for device in sorted(folder.glob(pattern)):
        names = [device.name]
        if label and (device / label).is_file():
            names.append(text(device / label))
        if name in names:
            return device
        others.append(" = ".join(names))
    present = ", ".join(others) if others else f"no {pattern}"
    raise BusError(
        errno.ENODEV,
        f"{folder}: there is no {name!r}, but {present}: correct the name, or load "
        "the device's driver (dtoverlay)",
    )

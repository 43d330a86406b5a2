"""The buffer of an Industrial I/O device: the kernel collects, whole scans come out.

Sources: Documentation/iio/iio_devbuf.rst and Documentation/ABI/testing/
sysfs-bus-iio of the kernel; iio_compute_scan_bytes in industrialio-buffer.c for
where an element lies in a scan. Since kernel 5.11 the files of the folders
`buffer` and `scan_elements` are in `buffer0`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorml.buses import sysfs
from sensorml.errors import BusError, SensorError

Int64: TypeAlias = NDArray[np.int64]

TIMESTAMP: Final = "timestamp"

_TYPE = re.compile(r"(le|be):([su])(\d+)/(8|16|32|64)(?:X1)?(?:>>(\d+))?", re.ASCII)
_CHUNK_BYTES: Final = 65_536

_CURES = {
    errno.EBUSY: "somebody else reads it: stop that",
    errno.EACCES: "access denied: give the service's user the right to it (udev)",
    errno.ENOENT: "there is no such device: load its driver (dtoverlay)",
    errno.ENODEV: "it is gone: check the wiring and its driver (dmesg)",
}
_CURES[errno.EPERM] = _CURES[errno.EACCES]


class Element(NamedTuple):
    """How one channel is stored in a scan."""

    name: str
    place: int
    """Where it comes among the others of the scan."""
    order: str
    """"<" or ">", as numpy says it."""
    signed: bool
    bits: int
    storage_bits: int
    shift: int


class Layout(NamedTuple):
    """Where the elements of a scan are."""

    elements: tuple[Element, ...]
    dtype: np.dtype[np.void]


def element(name: str, place: int, written: str) -> Element:
    """Read the type of an element.

    >>> element("voltage0", 2, "be:s12/16>>4")[2:]
    ('>', True, 12, 16, 4)

    Raises:
        SensorError: it is of a kind that is not known here.
    """
    match = _TYPE.fullmatch(written)
    if match:
        order, sign, bits, storage, shift = match.groups(default="0")
        if 0 < int(bits) + int(shift) <= int(storage) and int(bits):
            return Element(
                name,
                place,
                "<" if order == "le" else ">",
                sign == "s",
                int(bits),
                int(storage),
                int(shift),
            )
    raise SensorError(f"in_{name}_type: {written!r} is not supported: leave it out")


def layout(elements: Sequence[Element]) -> Layout:
    """Put elements by their place, each at a multiple of its own size.

    A scan ends at a multiple of its largest element's.

    >>> rows = [element("x", 0, "le:s16/16"), element("timestamp", 3, "le:s64/64")]
    >>> made = layout(rows).dtype
    >>> made.fields["timestamp"][1], made.itemsize
    (8, 16)
    """
    ordered = sorted(elements, key=lambda each: each.place)
    offsets, end = [], 0
    for each in ordered:
        size = each.storage_bits // 8
        offsets.append(-(-end // size) * size)
        end = offsets[-1] + size
    largest = max(each.storage_bits // 8 for each in ordered)
    dtype = np.dtype(
        {
            "names": [each.name for each in ordered],
            "formats": [f"{e.order}u{e.storage_bits // 8}" for e in ordered],
            "offsets": offsets,
            "itemsize": -(-end // largest) * largest,
        }
    )
    return Layout(tuple(ordered), dtype)


def unpack(scans: bytes, made: Layout) -> dict[str, Int64]:
    """Return the whole numbers of every element, (n,) each, without what pads them."""
    table = np.frombuffer(scans, made.dtype)
    values: dict[str, Int64] = {}
    for each in made.elements:
        # To the top of 64 bits and back: this drops what is above and below the
        # bits, and spreads the sign.
        top = 64 - each.bits
        raw = table[each.name].astype(np.uint64) >> np.uint64(each.shift)
        lifted = raw << np.uint64(top)
        if each.signed:
            values[each.name] = lifted.view(np.int64) >> np.int64(top)
        else:
            values[each.name] = (lifted >> np.uint64(top)).view(np.int64)
    return values


def folders(device: Path) -> tuple[Path, Path]:
    """Return where the settings of a device's buffer are, and its elements.

    Raises:
        BusError: it has no buffer.
    """
    for settings, elements in (("buffer0", "buffer0"), ("buffer", "scan_elements")):
        if (device / settings).is_dir():
            return device / settings, device / elements
    raise BusError(
        errno.ENOTSUP,
        f"{device}: it has no buffer: leave out buffered, or load a driver that has "
        "one (many need the interrupt line in the dtoverlay)",
    )


def stop(device: Path) -> None:
    """Stop collecting: nothing can be set before."""
    write(folders(device)[0] / "enable", "0")


class Buffer:
    """The buffer of one device, collecting from its making to its close."""

    def __init__(
        self, device: Path, node: Path, inputs: Sequence[str], *, scans: int
    ) -> None:
        """Select the channels, let the kernel collect.

        Args:
            device: its folder in sysfs.
            node: its node, /dev/iio:deviceN.
            inputs: what is between `in_` and `_en`; a timestamp is added where
                there is one.
            scans: how many the kernel keeps.

        Raises:
            BusError: the device has no such buffer, or refuses.
            SensorError: an element is of a kind that is not known here.
        """
        self._files, elements = folders(device)
        self._node = node
        self._rest = b""
        stop(device)
        wanted = {*inputs, TIMESTAMP}
        there = {file.name[3:-3]: file for file in sorted(elements.glob("in_*_en"))}
        if missing := [each for each in inputs if each not in there]:
            raise BusError(
                f"{elements}: there is no in_{missing[0]}_en: its elements are "
                f"{', '.join(there) or 'none'}"
            )
        for name, file in there.items():
            write(file, str(int(name in wanted)))
        # A driver may only be able to collect some channels together.
        on = [name for name, file in there.items() if sysfs.number(file)]
        self.layout = layout([_stored(elements, name) for name in on])
        write(self._files / "length", str(scans))
        if (self._files / "watermark").is_file():
            write(self._files / "watermark", "1")  # a scan is there when it is taken
        self._open()

    def __str__(self) -> str:
        return str(self._node)

    @property
    def timestamps(self) -> bool:
        return any(each.name == TIMESTAMP for each in self.layout.elements)

    def read(self) -> Mapping[str, Int64]:
        """Return the scans that are there, by element; (0,) when there are none.

        Raises:
            BusError: the device is gone.
        """
        size = self.layout.dtype.itemsize
        chunks = [self._rest]
        try:
            while chunk := os.read(self._descriptor, _CHUNK_BYTES // size * size):
                chunks.append(chunk)
        except BlockingIOError:
            pass
        except OSError as err:
            raise _explained(err, self._node) from err
        data = b"".join(chunks)
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return unpack(data[:whole], self.layout)

    def close(self) -> None:
        """Stop collecting, as far as the device is still there."""
        os.close(self._descriptor)
        with contextlib.suppress(BusError):
            write(self._files / "enable", "0")

    def _open(self) -> None:
        try:
            self._descriptor = os.open(self._node, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as err:
            raise _explained(err, self._node) from err
        try:
            write(self._files / "enable", "1")
        except BusError:
            os.close(self._descriptor)
            raise


def write(file: Path, text: str) -> None:
    """Write a setting.

    Raises:
        BusError: it is refused; the message says what may be written, if the kernel
            does.
    """
    try:
        with file.open("w", encoding="ascii") as opened:
            opened.write(f"{text}\n")
    except OSError as err:
        choices = file.with_name(f"{file.name}_available")
        may = (
            f"use one of {sysfs.text(choices)}"
            if choices.is_file()
            else ("see what the device can do, and dmesg")
        )
        why = _CURES.get(err.errno or 0, f"{err.strerror}: {may}")
        raise BusError(err.errno, f"{file}: {text} is refused: {why}") from err


def _stored(elements: Path, name: str) -> Element:
    place = int(sysfs.number(elements / f"in_{name}_index"))
    return element(name, place, sysfs.text(elements / f"in_{name}_type"))


def _explained(err: OSError, node: Path) -> BusError:
    why = _CURES.get(err.errno or 0, f"{err.strerror}: check the device (dmesg)")
    return BusError(err.errno, f"{node}: {why}")

"""The buffer of an Industrial I/O device, in which the kernel collects scans.

Sources: Documentation/iio/iio_devbuf.rst and Documentation/ABI/testing/
sysfs-bus-iio of the kernel; iio_compute_scan_bytes in industrialio-buffer.c for
the offset of an element in a scan. Since kernel 5.11 the files of the folders
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
    errno.EBUSY: "another program reads it: stop that program",
    errno.EACCES: "access denied: give the service's user access to it (udev)",
    errno.EPERM: "a container or unit forbids the access: start the container with "
    "--device, or add DeviceAllow=char-iio rw to the unit",
    errno.ENOENT: "there is no such device: load its driver (dtoverlay)",
    errno.ENODEV: "the device has disappeared: check the wiring and its driver (dmesg)",
}


class Element(NamedTuple):
    """The storage of one channel in a scan."""

    name: str
    place: int
    """Its position among the elements of the scan."""
    order: str
    """"<" or ">", as in numpy."""
    signed: bool
    bits: int
    storage_bits: int
    shift: int


class Layout(NamedTuple):
    """The layout of a scan."""

    elements: tuple[Element, ...]
    dtype: np.dtype[np.void]


def element(name: str, place: int, written: str) -> Element:
    """Read the type of an element.

    >>> element("voltage0", 2, "be:s12/16>>4")[2:]
    ('>', True, 12, 16, 4)

    Raises:
        SensorError: its type is not supported.
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
    raise SensorError(f"in_{name}_type: {written!r} is not supported: remove the input")


def layout(elements: Sequence[Element]) -> Layout:
    """Return the layout of elements, each at a multiple of its own size.

    The size of a scan is a multiple of its largest element's.

    >>> rows = [element("x", 0, "le:s16/16"), element("timestamp", 3, "le:s64/64")]
    >>> dtype = layout(rows).dtype
    >>> dtype.fields["timestamp"][1], dtype.itemsize
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


def unpack(scans: bytes, layout: Layout) -> dict[str, Int64]:
    """Return the whole numbers of every element, (n,) each, without padding."""
    table = np.frombuffer(scans, layout.dtype)
    values: dict[str, Int64] = {}
    for each in layout.elements:
        # Shifted to the top of 64 bits and back, which drops the padding and
        # extends the sign.
        top = 64 - each.bits
        raw = table[each.name].astype(np.uint64) >> np.uint64(each.shift)
        lifted = raw << np.uint64(top)
        if each.signed:
            values[each.name] = lifted.view(np.int64) >> np.int64(top)
        else:
            values[each.name] = (lifted >> np.uint64(top)).view(np.int64)
    return values


def folders(device: Path) -> tuple[Path, Path]:
    """Return the folders of a buffer's settings and of its elements.

    Raises:
        BusError: the device has no buffer.
    """
    for settings, elements in (("buffer0", "buffer0"), ("buffer", "scan_elements")):
        if (device / settings).is_dir():
            return device / settings, device / elements
    raise BusError(
        errno.ENOTSUP,
        f"{device}: it has no buffer: remove buffered, or load a driver that has one "
        "(many need the interrupt line in the dtoverlay)",
    )


def stop(device: Path) -> None:
    """Stop collecting, because no setting can be changed before."""
    write(folders(device)[0] / "enable", "0")


class Buffer:
    """The buffer of one device, which collects until it is closed."""

    def __init__(
        self, device: Path, node: Path, inputs: Sequence[str], *, scans: int
    ) -> None:
        """Select the channels and start collecting.

        Args:
            device: its folder in sysfs.
            node: its node, /dev/iio:deviceN.
            inputs: the part between `in_` and `_en`; a timestamp is added if the
                device has one.
            scans: the number of scans that the kernel keeps.

        Raises:
            BusError: the device has no such buffer, or refuses a setting.
            SensorError: the type of an element is not supported.
        """
        self._files, elements = folders(device)
        self._node = node
        self._rest = b""
        stop(device)
        selected = {*inputs, TIMESTAMP}
        switches = {file.name[3:-3]: file for file in sorted(elements.glob("in_*_en"))}
        if missing := [each for each in inputs if each not in switches]:
            raise BusError(
                f"{elements}: there is no in_{missing[0]}_en: its elements are "
                f"{', '.join(switches) or 'none'}"
            )
        for name, file in switches.items():
            write(file, str(int(name in selected)))
        # A driver may collect only some combinations of channels.
        on = [name for name, file in switches.items() if sysfs.number(file)]
        self.layout = layout([_stored(elements, name) for name in on])
        write(self._files / "length", str(scans))
        if (self._files / "watermark").is_file():
            write(self._files / "watermark", "1")  # each scan can be read at once
        self._open()

    def __str__(self) -> str:
        return str(self._node)

    @property
    def timestamps(self) -> bool:
        return any(each.name == TIMESTAMP for each in self.layout.elements)

    def read(self) -> Mapping[str, Int64]:
        """Return the collected scans by element, each of shape (n,), n >= 0.

        Raises:
            BusError: the device has disappeared.
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
        """Stop collecting, if the device still exists."""
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
        BusError: it is refused; the message lists the allowed values, if the kernel
            does.
    """
    try:
        with file.open("w", encoding="ascii") as opened:
            opened.write(f"{text}\n")
    except OSError as err:
        choices = file.with_name(f"{file.name}_available")
        cure = (
            f"use one of {sysfs.text(choices)}"
            if choices.is_file()
            else "check the device's data sheet, and dmesg"
        )
        why = _CURES.get(err.errno or 0, f"{err.strerror}: {cure}")
        raise BusError(err.errno, f"{file}: {text} is refused: {why}") from err


def _stored(elements: Path, name: str) -> Element:
    place = int(sysfs.number(elements / f"in_{name}_index"))
    return element(name, place, sysfs.text(elements / f"in_{name}_type"))


def _explained(err: OSError, node: Path) -> BusError:
    why = _CURES.get(err.errno or 0, f"{err.strerror}: check the device (dmesg)")
    return BusError(err.errno, f"{node}: {why}")

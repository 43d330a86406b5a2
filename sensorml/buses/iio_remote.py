"""An Industrial I/O device of another computer, by libiio, whose only importer it is.

Source: bindings/python/iio.py of libiio 0.2x. It lists the scale and the offset that
channels share under the name of each channel.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from sensorml.buses import sysfs
from sensorml.errors import BusError

if TYPE_CHECKING:
    from iio import Context

Attributes: TypeAlias = Mapping[str, Callable[[], float]]
"""The readers of a channel's attributes: raw or input, and perhaps offset and scale."""

_VALUES: Final = {"raw", "input"}
_ANSWER_MS: Final = 2000


class RemoteDevice:
    """One device at a URI; connected until it is collected."""

    def __init__(self, uri: str, name: str) -> None:
        """Connect.

        Args:
            uri: the address in libiio's notation, "ip:192.168.1.5".
            name: the name or the number of the device.

        Raises:
            BusError: libiio is not installed, there is no answer at the URI, or it has
                no such device.
        """
        self._context = _connected(uri)  # devices do not keep their context alive
        self._name = f"{uri}: {name}"
        devices = {each.id: each for each in self._context.devices}.values()
        matches = [d for d in devices if name in {d.id, d.name}]
        if not matches:
            others = (f"{d.id} = {d.name}" if d.name else d.id for d in devices)
            raise BusError(
                errno.ENODEV,
                f"{uri}: there is no {name!r}, but {', '.join(others) or 'nothing'}: "
                "correct the name, or load the device's driver there (dtoverlay)",
            )
        self._inputs = {
            channel.id: channel.attrs
            for channel in matches[0].channels
            if not channel.output and not _VALUES.isdisjoint(channel.attrs)
        }

    def attributes(self, name: str) -> Attributes:
        """Return the attributes of an input.

        Raises:
            BusError: there is no such input.
        """
        if name not in self._inputs:
            raise BusError(
                f"{self._name}: there is no {name}: its inputs are "
                f"{', '.join(self._inputs) or 'none'}"
            )
        return {what: partial(self._number, name, what) for what in self._inputs[name]}

    def _number(self, name: str, what: str) -> float:
        where = f"{self._name}, {name}_{what}"
        try:
            value = str(self._inputs[name][what].value)
        except OSError as err:
            raise BusError(
                err.errno,
                f"{where}: {err.strerror}: check the network, iiod, and the sensor",
            ) from err
        return sysfs.parsed(value.strip(), where)


def _connected(uri: str) -> Context:
    try:
        from iio import Context
    except (ImportError, AttributeError, OSError) as err:
        # Without the library, the binding fails with one of the other two errors.
        raise BusError(
            errno.ENOENT,
            "uri needs libiio 0.2x and its Python binding: apt install libiio0, and "
            "pip install 'sensorml[libiio]'",
        ) from err
    try:
        context = Context(uri)
        context.set_timeout(_ANSWER_MS)
    except OSError as err:
        raise BusError(
            err.errno,
            f"{uri}: no connection ({err.strerror}): check uri, the network, and that "
            "iiod runs there",
        ) from err
    return context

"""A device of another computer's kernel, by libiio. The only importer of its binding.

Source: bindings/python/iio.py of libiio 0.2x. It gives every channel the scale and
offset that it shares with others, under the channel's own name.
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
"""How to read what a channel has: raw or input, and perhaps offset and scale."""

_VALUES: Final = {"raw", "input"}
_ANSWER_MS: Final = 2000


class RemoteDevice:
    """One device at a URI; connected for as long as anybody holds it."""

    def __init__(self, uri: str, wanted: str) -> None:
        """Connect.

        Args:
            uri: where it is, as libiio writes it: "ip:192.168.1.5".
            wanted: its name or its number.

        Raises:
            BusError: libiio is not installed, nobody answers at the URI, or it has
                no such device.
        """
        self._context = _connected(uri)  # what it gives does not keep it alive
        self._name = f"{uri}: {wanted}"
        known = {each.id: each for each in self._context.devices}
        found = [d for d in known.values() if wanted in {d.id, d.name}]
        if not found:
            there = (f"{d.id} = {d.name}" if d.name else d.id for d in known.values())
            raise BusError(
                errno.ENODEV,
                f"{uri}: there is no {wanted!r}, but {', '.join(there) or 'nothing'}: "
                "correct the name, or load the device's driver there (dtoverlay)",
            )
        self._inputs = {
            channel.id: channel.attrs
            for channel in found[0].channels
            if not channel.output and not _VALUES.isdisjoint(channel.attrs)
        }

    def attributes(self, name: str) -> Attributes:
        """Return what an input has.

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
            found = str(self._inputs[name][what].value)
        except OSError as err:
            raise BusError(
                err.errno,
                f"{where}: {err.strerror}: check the network, iiod, and the sensor",
            ) from err
        return sysfs.parsed(found.strip(), where)


def _connected(uri: str) -> Context:
    try:
        from iio import Context
    except (ImportError, AttributeError, OSError) as err:
        # Without the library itself, the binding looks for its functions in vain.
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

"""I2C multiplexers: TCA9548A, PCA9548A and smaller ones with the same register.

Data sheet: TI TCA9548A, SCPS207F, section 8.5.4 (one byte, a bit a channel,
effective after the STOP); "Device Address" for 0x70 to 0x77.

Where the kernel's i2c-mux-pca954x has the multiplexer, its channels are buses of
their own, /dev/i2c-N: then `bus = N` is all that is needed.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from sensorml.buses.fault_codes import I2C_MEANINGS, Meaning, explained
from sensorml.errors import BusReason
from sensorml.schema import Table

if TYPE_CHECKING:
    from sensorml.buses.i2c_dev import Adapter

MEANINGS = {
    **I2C_MEANINGS,
    errno.EBUSY: Meaning(
        BusReason.HELD,
        "the kernel has this multiplexer, and its channels are buses of their own: "
        "leave out mux and set bus to the channel's number (i2cdetect -l lists them)",
    ),
}

_NOBODY = {errno.ENXIO, errno.EREMOTEIO}


class MuxOptions(Table, frozen=True, kw_only=True):
    """The table `mux` of a `[[sensor]]`."""

    address: Annotated[int, Meta(ge=0x70, le=0x77)] = 0x70
    channel: Annotated[int, Meta(ge=0, le=7)]

    def __str__(self) -> str:
        return f"multiplexer {self.address:#04x}, channel {self.channel}"


class Muxes:
    """What the multiplexers of one bus have selected, as far as is known."""

    def __init__(self) -> None:
        self._masks: dict[int, int | None] = {}  # by address; None: unknown

    def add(self, address: int) -> None:
        """Take care of one; what it has selected is not known yet."""
        self._masks[address] = None

    def forget(self) -> None:
        """Know nothing any more: something failed on the bus."""
        self._masks = dict.fromkeys(self._masks)

    def select(self, adapter: Adapter, address: int, channel: int) -> None:
        """Connect one channel, and no other of any multiplexer.

        The others go first, or two chips with one address would answer.

        Raises:
            OSError: as the kernel gave it.
        """
        wanted = 1 << channel
        for other, mask in self._masks.items():
            if other != address and mask != 0:
                self._switch_off(adapter, other)
        if self._masks[address] != wanted:
            adapter.transfer(address, [bytes((wanted,))])
            self._masks[address] = wanted

    def _switch_off(self, adapter: Adapter, address: int) -> None:
        try:
            adapter.transfer(address, [b"\0"])
        except OSError as err:
            if err.errno not in _NOBODY:
                raise
            # Without power it connects nothing, and begins so when it is back.
        self._masks[address] = 0


@cache
def muxes(_bus: str) -> Muxes:
    """Return those of one bus; its sensors share them, and its thread."""
    return Muxes()


class Muxed:
    """An `i2cdev.Adapter` for what is behind one channel of a multiplexer."""

    def __init__(
        self, adapter: Adapter, muxes: Muxes, options: MuxOptions, bus: str
    ) -> None:
        self._adapter = adapter
        self._muxes = muxes
        self._options = options
        self._bus = bus
        muxes.add(options.address)

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes:
        """Select the channel, if it is not, and run messages; see `i2cdev.Adapter`.

        Raises:
            BusError: the multiplexer does not answer.
            OSError: the chip does not; as the kernel gave it.
        """
        muxes, mux = self._muxes, self._options
        try:
            muxes.select(self._adapter, mux.address, mux.channel)
        except OSError as err:
            muxes.forget()
            where = f"multiplexer {mux.address:#04x} on {self._bus}"
            raise explained(err, where, MEANINGS) from err
        try:
            return self._adapter.transfer(address, messages)
        except OSError:
            muxes.forget()
            raise

    def close(self) -> None:
        self._adapter.close()

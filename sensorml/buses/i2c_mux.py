"""I2C multiplexers: TCA9548A, PCA9548A and smaller ones with the same register.

Data sheet: TI TCA9548A, SCPS207F, section 8.5.4 (one byte, a bit a channel,
effective after the STOP); "Device Address" for 0x70 to 0x77.

Where the kernel's i2c-mux-pca954x drives the multiplexer, its channels are separate
buses, /dev/i2c-N: then `bus = N` is sufficient.
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
        "the kernel drives this multiplexer, and its channels are separate buses: "
        "remove mux and set bus to the channel's number (i2cdetect -l lists them)",
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
    """The selected channels of the multiplexers on one bus, as far as known."""

    def __init__(self) -> None:
        self._masks: dict[int, int | None] = {}  # by address; None: unknown

    def add(self, address: int) -> None:
        """Register a multiplexer, whose selection is unknown."""
        self._masks[address] = None

    def forget(self) -> None:
        """Mark all selections as unknown, after a failure on the bus."""
        self._masks = dict.fromkeys(self._masks)

    def select(self, adapter: Adapter, address: int, channel: int) -> None:
        """Connect one channel, and disconnect all channels of other multiplexers.

        These are disconnected first, or two chips with one address would answer.

        Raises:
            OSError: the error of the kernel.
        """
        mask_of_channel = 1 << channel
        for other, mask in self._masks.items():
            if other != address and mask != 0:
                self._switch_off(adapter, other)
        if self._masks[address] != mask_of_channel:
            adapter.transfer(address, [bytes((mask_of_channel,))])
            self._masks[address] = mask_of_channel

    def _switch_off(self, adapter: Adapter, address: int) -> None:
        try:
            adapter.transfer(address, [b"\0"])
        except OSError as err:
            if err.errno not in _NOBODY:
                raise
            # Without power it connects no channel, and none after its power is back.
        self._masks[address] = 0


@cache
def muxes(_bus: str) -> Muxes:
    """Return the multiplexers of one bus, which all its sensors share."""
    return Muxes()


class Muxed:
    """An `i2c_dev.Adapter` for the chips behind one channel of a multiplexer."""

    def __init__(
        self, adapter: Adapter, muxes: Muxes, options: MuxOptions, bus: str
    ) -> None:
        self._adapter = adapter
        self._muxes = muxes
        self._options = options
        self._bus = bus
        muxes.add(options.address)

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes:
        """Select the channel and run messages; see `i2c_dev.Adapter`.

        Raises:
            BusError: the multiplexer does not answer.
            OSError: the chip does not; the error of the kernel.
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

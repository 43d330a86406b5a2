"""A simulated TCA9548A: chips behind it answer while their channel is selected.

Data sheet: TI TCA9548A, SCPS207F, section 8.5.4. The last byte written is the
mask of the channels, effective after the STOP; all are off after power-on.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence

from sensorml.sim.bus import SimBus
from sensorml.sim.registers import RegisterChip


class SimMux:
    """One multiplexer; `channels` holds the chips of each by their address."""

    def __init__(self, channels: Mapping[int, Mapping[int, RegisterChip]]) -> None:
        self.channels = channels
        self.absent = False
        """It acknowledges nothing, and connects nothing."""
        self.writes = 0
        """The number of masks written so far."""
        self.brown_out()

    def brown_out(self) -> None:
        """Switch all channels off, as at power-on."""
        self.mask = 0

    def visible(self) -> list[Mapping[int, RegisterChip]]:
        """Return the chips of every channel that is connected."""
        if self.absent:
            return []
        return [chips for i, chips in self.channels.items() if self.mask >> i & 1]


class MuxedSimBus:
    """An I2C bus with chips and multiplexers; chips of one address collide.

    Then all take what is written, and what is read is the AND of their answers:
    the lines are open drain.
    """

    def __init__(
        self, chips: Mapping[int, RegisterChip], muxes: Mapping[int, SimMux]
    ) -> None:
        self.chips = chips
        self.muxes = muxes

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes:
        """Run messages in order; see `SimBus.transfer`."""
        mux = self.muxes.get(address)
        if mux is not None and not mux.absent:
            return _to_mux(mux, messages)
        segments = [self.chips]
        for each in self.muxes.values():
            segments += each.visible()
        buses = [SimBus(chips) for chips in segments if address in chips]
        if not buses:
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        answers = [bus.transfer(address, messages) for bus in buses]
        return bytes(_wired_and(column) for column in zip(*answers, strict=True))

    def close(self) -> None:
        """Do nothing: a simulated bus has no handle."""


def _to_mux(mux: SimMux, messages: Sequence[bytes | int]) -> bytes:
    answer, mask = b"", mux.mask
    for message in messages:
        if isinstance(message, int):
            answer += bytes((mask,)) * message
        elif message:
            mask = message[-1]
            mux.writes += 1
    mux.mask = mask  # the STOP
    return answer


def _wired_and(levels: Sequence[int]) -> int:
    level = 0xFF
    for each in levels:
        level &= each
    return level

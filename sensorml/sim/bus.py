"""A simulated I2C bus with the transfers of the real one."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence

from sensorml.sim.registers import RegisterChip


class SimBus:
    """Simulated chips by their address."""

    def __init__(self, chips: Mapping[int, RegisterChip]) -> None:
        self.chips = dict(chips)
        self.wire_bytes = 0
        """Bytes on the wire so far, addresses included."""
        self.transfers = 0
        """System calls that a real bus would have taken."""

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes:
        """Run messages in order, bytes to write or a number of bytes to read.

        Returns:
            All bytes read, joined.

        Raises:
            OSError: with the errno that a Raspberry Pi's kernel would give.
        """
        self.transfers += 1
        answer = bytearray()
        for message in messages:
            chip = self.chips.get(address)
            self.wire_bytes += 1
            if chip is None:
                raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
            if isinstance(message, bytes):
                self.wire_bytes += len(message)
                chip.write(message)
            else:
                self.wire_bytes += message
                answer += chip.read(message)
        return bytes(answer)

    def close(self) -> None:
        """Do nothing: a simulated bus has no handle."""

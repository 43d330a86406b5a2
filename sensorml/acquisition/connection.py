"""The connection to one chip, from its start to its stop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from sensorml.errors import BusError
from sensorml.interfaces import Registers

C = TypeVar("C", bound=Registers)


class ChipConnection(Generic[C]):
    """The registers of a chip while it is open. Used on the thread of its bus."""

    def __init__(self, name: str, connect: Callable[[], C]) -> None:
        """Prepare to connect; `name` is that of the driver, for messages."""
        self._name = name
        self._connect = connect
        self._bus: C | None = None

    @property
    def bus(self) -> C:
        """The open connection.

        Raises:
            BusError: there is none.
        """
        if self._bus is None:
            raise BusError(f"{self._name}: not started")
        return self._bus

    def open(self, sleep: Mapping[int, bytes]) -> C:
        """Connect anew; a chip that is open is closed first.

        Raises:
            BusError: the bus cannot be opened.
        """
        self.close(sleep)
        self._bus = self._connect()
        return self._bus

    def close(self, sleep: Mapping[int, bytes]) -> None:
        """Write the registers that put the chip to sleep, if it answers; disconnect."""
        if self._bus is None:
            return
        bus, self._bus = self._bus, None
        with contextlib.closing(bus), contextlib.suppress(BusError):
            for register, value in sleep.items():
                bus.write(register, value)

"""Polled sensors: their options, their rows, and a chip whose settings are checked.

A chip whose power dipped continues with other settings, and a data line that is
stuck reads as a number, too: both look like measurements. So the settings of a chip
are read back with every row. A driver writes at least one that is neither the
chip's default nor all zeros or ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Generic, Protocol, TypeVar

import numpy as np
from msgspec import Meta

from sensorml.acquisition.connection import C, ChipConnection
from sensorml.buses.i2c import I2cOptions
from sensorml.buses.spi import ChipSelectOptions
from sensorml.errors import SensorError
from sensorml.types import NO_ROWS, Block

_EARLY = 0.1  # of a period: visits are not exactly on time

Rate = Annotated[float, Meta(ge=1e-4)]
"""The rate of a polled sensor in Hz. A driver adds the highest; the lowest is a row
in three hours, because the failure of a slower sensor would be noticed too late."""


class PolledOptions(I2cOptions, frozen=True, kw_only=True):
    """The keys that every polled chip has; a driver narrows and adds its own."""

    rate_hz: Rate = 1.0
    """Reads per second."""


class PolledSpiOptions(ChipSelectOptions, frozen=True, kw_only=True):
    """The keys of a polled chip that is connected by SPI only."""

    rate_hz: Rate = 1.0
    """Reads per second."""


class PolledRows:
    """Makes the Blocks of one polled sensor, from its start to its stop."""

    def __init__(self, rate_hz: float, clock: Callable[[], int]) -> None:
        self._rate_hz = rate_hz
        self._clock = clock
        self._last_ns: int | None = None

    def row(self, values: Sequence[float], *, clipped: bool = False) -> Block:
        """Return the values that have just been read as a Block of one row.

        Whole periods since the last row without a read count as missed rows.
        """
        now = self._clock()
        missed, jitter = 0, 0.0
        if self._last_ns is not None:
            periods = (now - self._last_ns) * self._rate_hz / 1e9
            missed = max(0, math.floor(periods + _EARLY) - 1)
            jitter = periods - 1 - missed
        self._last_ns = now
        return Block(
            samples=np.array([values], np.float32),
            start_ns=now,
            rate_hz=self._rate_hz,
            missed=missed,
            clipped=np.zeros(1, np.intp) if clipped else NO_ROWS,
            jitter_ns=round(jitter * 1e9 / self._rate_hz),
        )


class _HasRate(Protocol):
    @property
    def rate_hz(self) -> float: ...


O = TypeVar("O", bound=_HasRate)  # noqa: E741


class PolledChip(Generic[C]):
    """One chip: its connection, its settings and its rows."""

    def __init__(
        self,
        options: O,
        name: str,
        connect: Callable[[O, str], C],
        clock: Callable[[], int],
    ) -> None:
        self._rate_hz = options.rate_hz
        self._clock = clock
        self._connection = ChipConnection(name, partial(connect, options, name))
        self._settings: dict[int, bytes] = {}

    @property
    def bus(self) -> C:
        """The open connection.

        Raises:
            BusError: there is none.
        """
        return self._connection.bus

    def open(self) -> C:
        """Connect anew, and begin with the first row."""
        self._settings = {}
        self._rows = PolledRows(self._rate_hz, self._clock)
        return self._connection.open({})

    def configure(self, settings: Mapping[int, bytes]) -> None:
        """Write registers in order; `check` compares them from now on."""
        for register, value in settings.items():
            self.bus.write(register, value)
        self.expect(settings)

    def expect(self, settings: Mapping[int, bytes]) -> None:
        """Compare the first bytes of registers with these, now and with every row."""
        self._settings.update(settings)
        self.check()

    def check(self) -> None:
        """Read every setting back.

        Raises:
            SensorError: one is not what was written.
        """
        for register, value in self._settings.items():
            actual = self.bus.read(register, len(value))
            if actual != value:
                raise SensorError(
                    f"{self.bus}: register {register:#04x} was set to {value.hex()} "
                    f"and reads {actual.hex()}: check that the driver fits the chip, "
                    "its wiring, and its power supply for dips"
                )

    def row(self, values: Sequence[float], *, clipped: bool = False) -> Block:
        """Return the values as one row, if the settings still hold.

        Raises:
            SensorError: a setting has changed.
        """
        self.check()
        return self._rows.row(values, clipped=clipped)

    def impossible(self, what: str) -> SensorError:
        """Return the error for an impossible answer."""
        return SensorError(f"{self.bus}: {what}")

    def close(self, sleep: Mapping[int, bytes]) -> None:
        """Write the registers that put the chip to sleep, if it answers; disconnect."""
        self._connection.close(sleep)

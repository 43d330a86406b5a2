"""A FIFO accelerometer: its connection, interrupt line, read schedule and rows.

A driver keeps the registers and the scale of its chip, and gives `FifoChip` three
functions: one counts what is in the FIFO, one takes it out, one decodes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Literal, Protocol, TypeVar

from sensorml.acquisition.connection import ChipConnection
from sensorml.acquisition.fifo import FifoReader
from sensorml.acquisition.fifo_schedule import FifoSchedule
from sensorml.acquisition.interrupt import Interrupt
from sensorml.gpio.names import LineName
from sensorml.interfaces import Registers
from sensorml.types import Block, Channel, Float32

ACCELERATION: Final = (Channel("x", "g"), Channel("y", "g"), Channel("z", "g"))
"""The channels of an accelerometer with three axes."""


USUAL_TOLERANCE: Final = 0.05
"""The tolerance of a rate whose data sheet gives none, as those of ADXL345, ADXL355,
KX134 and LIS3DH; parts that were measured were 1 to 4 % off."""


class FifoOptions(Protocol):
    """The keys that every driver of a FIFO has."""

    @property
    def rate_hz(self) -> float: ...

    @property
    def fifo_rows(self) -> int | None: ...

    @property
    def interrupt_gpio(self) -> LineName | None: ...


AnyOptions = TypeVar("AnyOptions", bound=FifoOptions)


class FifoChip:
    """One chip with a FIFO, on its bus's thread, from `open` to `close`."""

    def __init__(
        self,
        options: AnyOptions,
        name: str,
        connect: Callable[[AnyOptions, str], Registers],
        clock: Callable[[], int],
        *,
        depth: int,
        usual: int,
        sleep: Mapping[int, int],
        tolerance: float = USUAL_TOLERANCE,
        rises: Literal["at watermark", "after status"] = "at watermark",
    ) -> None:
        """Plan the reads; `open` connects.

        Args:
            options: The keys of the sensor.
            name: Name of the driver, for `connect` and for messages.
            connect: Opens the bus to the chip.
            clock: Monotonic, in ns.
            depth: How many rows the FIFO holds.
            usual: At how many rows it is read unless `fifo_rows` is set.
            sleep: The registers that put the chip to sleep, in order.
            tolerance: The share by which its data sheet lets the rate differ.
            rises: When the interrupt line rises: at the watermark, or once after
                each status read with the first new row.
        """
        schedule = FifoSchedule(
            options.rate_hz, options.fifo_rows, depth=depth, usual=usual
        )
        self.watermark = schedule.watermark if rises == "at watermark" else 1
        self.interrupt = Interrupt(
            options.interrupt_gpio, self.watermark, clock, rises=rises
        )
        self.period_s = schedule.period_s(woken=self.interrupt.wakes)
        self.clock = clock
        self._sleep = {register: bytes((value,)) for register, value in sleep.items()}
        self._depth = depth
        self._rate_hz = options.rate_hz
        self._tolerance = tolerance
        self._connection = ChipConnection(name, partial(connect, options, name))

    @property
    def bus(self) -> Registers:
        """The open connection.

        Raises:
            BusError: there is none.
        """
        return self._connection.bus

    def open(self) -> Registers:
        """Connect anew; a chip that is open is put to sleep first.

        Raises:
            BusError: the bus cannot be opened.
        """
        self.interrupt.close()
        return self._connection.open(self._sleep)

    def collect(
        self, full_scale: float, *, configured: tuple[int, int], per_row: int = 1
    ) -> FifoReader:
        """Begin with the first row, once the chip is configured and measures.

        Args:
            full_scale: The value from which a sample counts as clipped.
            configured: A register, and its value while the chip has its settings.
            per_row: How many of the things that the FIFO counts make a row.
        """
        self._reader = FifoReader(
            self.bus,
            self._rate_hz,
            full_scale,
            self.clock,
            self.interrupt,
            tolerance=self._tolerance,
            configured=configured,
            depth=self._depth * per_row,
            per_row=per_row,
        )
        self.interrupt.open()
        return self._reader

    def read(
        self,
        count: Callable[[], int],
        take: Callable[[int], bytes],
        decode: Callable[[bytes], Float32],
    ) -> Block | None:
        """Return the new rows as `FifoReader.read` does."""
        return self._reader.read(count, take, decode)

    def close(self) -> None:
        """Put the chip to sleep, if it answers, and disconnect."""
        self.interrupt.close()
        self._connection.close(self._sleep)

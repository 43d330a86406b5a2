"""The plug points: what a driver, a bus device, an engine and a sink offer.

There is nothing to inherit from. A driver is a file in `drivers/`, a sink a
file in `sinks/`; the file's name is the `driver = "..."` of the configuration,
and the module offers the names that `DriverModule` and `SinkModule` list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from sensorml.errors import Reason
from sensorml.types import Block, Channel, Float32


class Registers(Protocol):
    """One chip's registers, on I2C or SPI. Failures raise `errors.BusError`."""

    def read(self, register: int, length: int) -> bytes:
        """Write the register number, then read `length` bytes, in one transfer."""

    def read_many(self, register: int, length: int, times: int) -> bytes:
        """Do the same read `times` times, if it can be in one system call; joined."""

    def write(self, register: int, data: bytes) -> None: ...

    def close(self) -> None: ...


class Interrupt(Protocol):
    """A line by which a sensor says that it is time to read it."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Have `wake` called then, on any thread; called once, before `start`."""


class Driver(Protocol):
    """One sensor. Always called on its bus's own thread, never twice at once.

    It may have an attribute `interrupt: Interrupt`, wired or not; then a `read` may
    come at any time, as what it gives has gathered in the sensor: soon after that
    woke, and before another sensor on the bus is started. It may have an attribute
    `frozen_rows: int | None`: so many identical rows in a row come only from a sensor
    that is frozen; None: any number may.
    """

    period_s: float
    """How often `read` wants to be called; 0 when it paces itself."""

    def start(self) -> str | None:
        """Open and configure the device. Called again after every failure.

        Returns:
            What people should know although it works, or None.
        """

    def read(self) -> Block | None:
        """Return all rows that are new since the last call, or None.

        Raises:
            BusError: the device did not answer.
            SensorError: it answered nonsense.
            SourceEndedError: there will never be another row.
        """

    def stop(self) -> None:
        """Put the device to sleep. Also called after a `start` that failed."""


class DriverModule(Protocol):
    """What a file in `drivers/` holds."""

    Options: type[msgspec.Struct]
    """The keys of its `[[sensor]]` table. `thread` (a property) names the
    thread it must run on; sensors on one bus return the same name. It may have a
    property `kernel_device`: the key that says which device of the kernel's the
    sensor is, and which that is, since two sensors on one disturb each other."""

    def channels(self, options: msgspec.Struct) -> Sequence[Channel]:
        """Say what the columns of its samples are, without touching hardware."""

    def Driver(self, options: msgspec.Struct) -> Driver:  # noqa: N802
        """Make the driver; hardware is touched by its `start`, not here."""


class Inference(NamedTuple):
    """What an engine returns: outputs (n, ...) float32 and its two stages."""

    outputs: Float32
    quantise_ns: int
    invoke_ns: int


class Engine(Protocol):
    """One loaded model on one delegate. Always called on the engine's thread."""

    delegate: str
    """What runs it: "cpu" or the name of a file in `delegates/`."""

    @property
    def degraded(self) -> bool:
        """Whether the CPU does the work of an accelerator that is wanted."""

    @property
    def why(self) -> str:
        """Why it is degraded, in words; else empty."""

    def infer(self, features: Float32) -> Inference:
        """Run the model on `features` (n, inputs), real values, n >= 1."""

    def close(self) -> None: ...


Row = tuple[object, ...]
"""A row of the journal; `storage.rows` has a type for each kind."""


class Delivered(NamedTuple):
    """The other side has stored every row."""


class Retry(NamedTuple):
    """It could not take the rows now: the same rows are sent again later."""

    reason: str
    after_s: float | None = None


class Split(NamedTuple):
    """It refused the batch: halves are sent, to find the row it cannot take."""

    reason: str


class Hold(NamedTuple):
    """A person must act first (a token, a bucket): every row is kept meanwhile."""

    reason: Reason


Outcome = Delivered | Retry | Split | Hold


class Sink(Protocol):
    """A receiver of rows. Always called on the sink's own thread."""

    batch_rows: int
    """How many rows `send` is given at most."""

    def send(self, kind: str, rows: Sequence[Row]) -> Outcome:
        """Send rows of one kind (a table of the journal), oldest first.

        Each has the columns of its type in `storage.rows`, then its id.
        """

    def close(self) -> None: ...


class SinkModule(Protocol):
    """What a file in `sinks/` holds."""

    Options: type[msgspec.Struct]

    def Sink(self, options: msgspec.Struct, tags: Mapping[str, str]) -> Sink:  # noqa: N802
        """Make the sink; `tags` are those of the box (`device`)."""

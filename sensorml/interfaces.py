"""The interfaces of drivers, their options, chips, engines and sinks.

A driver is a file in `drivers/`, a sink a file in `sinks/`; the file's name is the
`driver = "..."` of the configuration, and the module offers the names that
`DriverModule` and `SinkModule` list. Only `Options` has a base class: it answers for
what a driver leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from sensorml.errors import Reason
from sensorml.schema import Table
from sensorml.types import Block, Channel, Float32

if TYPE_CHECKING:
    from sensorml.hardware.facts import Facts


class Registers(Protocol):
    """One chip's registers, on I2C or SPI. Failures raise `errors.BusError`."""

    def read(self, register: int, length: int) -> bytes:
        """Write the register number, then read `length` bytes, in one transfer."""

    def read_many(self, register: int, length: int, times: int) -> bytes:
        """Repeat a read, in one system call if possible; return all bytes."""

    def write(self, register: int, data: bytes) -> None: ...

    def close(self) -> None: ...


class Commands(Registers, Protocol):
    """One chip that is read without a register number.

    On I2C a command may precede, which is written like a register.
    """

    def receive(self, length: int) -> bytes:
        """Read `length` bytes.

        Raises:
            BusError: on I2C with `BusReason.NOBODY` also while the chip is busy.
        """


class Identity(NamedTuple):
    """The register that names a chip, and the I2C addresses at which it may be.

    A driver module holds one as `IDENTITY`. Write its numbers and names out: the I2C
    scan of `sensorml probe` reads them from the source, without an import.
    """

    register: int
    chips: Mapping[int, str]
    """Names of chips by the value of the register; the driver is for the first, and
    reads the others as if they were that one."""
    addresses: tuple[int, ...] = ()
    """Addresses of a scan; none where chips without the register may answer."""
    length: int = 1
    """Bytes that the register has; the first one is compared."""
    siblings: tuple[str, ...] = ()
    """Drivers whose chips this driver reads, too, with a warning."""
    others: Mapping[int, str] = MappingProxyType({})
    """Names of chips that no driver reads, by the value of the register."""


class Interrupt(Protocol):
    """The interrupt line of a sensor, wired or not: it rises when there are rows."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Have `wake` called at each rise, on any thread; called before `start`."""


class Driver(Protocol):
    """One sensor. Always called on its bus's own thread, never twice at once.

    One that has the attribute of `HasInterrupt` or `DetectsFreezing` is used as such.
    """

    period_s: float
    """The time between two calls of `read`; 0 for a driver that waits by itself."""

    def start(self) -> str | None:
        """Open and configure the device. Called again after every failure.

        Returns:
            A warning about a device that works all the same, or None.
        """

    def read(self) -> Block | None:
        """Return all rows that are new since the last call, or None.

        Raises:
            BusError: the device did not answer.
            SensorError: its answer was invalid.
            UnsettledError: it has no value now; it is read again, without a start.
            SourceEndedError: there are no more rows.
        """

    def stop(self) -> None:
        """Put the device to sleep. Also called after a `start` that failed."""


@runtime_checkable
class HasInterrupt(Protocol):
    """A driver whose sensor gathers rows, and whose interrupt line may be wired.

    `read` may be called at any time: soon after the interrupt, and before another
    sensor on the bus is started.
    """

    interrupt: Interrupt


@runtime_checkable
class DetectsFreezing(Protocol):
    """A driver whose sensor has noise in its lowest bits."""

    frozen_rows: int | None
    """So many identical rows in a row come only from a frozen sensor; None: with the
    present options any number may come from a healthy one."""


class LineClaim(NamedTuple):
    """A GPIO line that a table of the configuration uses."""

    key: str
    """The key that names the line."""
    line: int | str
    """The line as written; `gpio.names.line_of` makes names comparable."""
    purpose: str = ""
    """Tables that use a line for the same purpose may share it; "": no two may."""


class Claim(NamedTuple):
    """An address, a chip select or a device that a sensor uses."""

    key: str
    """The key that chooses it."""
    what: str
    """Its name in messages, "address 0x53 on i2c-1"; equal names are one thing."""
    part: str = ""
    """The part of it that is used; different parts exclude each other only from the
    whole, which is ""."""
    purpose: str = ""
    """As in `LineClaim`."""
    certain: bool = True
    """False: two sensors that claim it are a warning and no error."""


class Conversion(NamedTuple):
    """The times for which a slow sensor keeps its thread waiting, per row."""

    wait_s: float
    """The measurement itself. Sensors on one thread may measure at the same time."""
    read_s: float
    """The transfer of the result, one sensor after the other."""


class Cures(NamedTuple):
    """The advice for each fault of a sensor that its rows show; it fits its kind."""

    overrun: str = "lower rate_hz or give the computer less to do"
    frozen: str = "power-cycle the sensor"
    off_rate: str = (
        "stop other programs that read this chip; without one, replace the chip"
    )
    stale: str = "check the sensor and its wiring"


class SensorOptions(Table, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` table, and what they require of the machine.

    A driver's `Options` inherit from it, add their keys, and replace what differs. A
    key may have the name of a property here (`rate_hz`); then its value is the answer.
    """

    @property
    def thread(self) -> str:
        """The thread that reads the sensor; sensors on one bus share it.

        "" is a thread of its own.
        """
        return ""

    @property
    def real_time(self) -> bool:
        """True if rows are lost or late when the thread has to wait for a processor."""
        return False

    @property
    def rate_hz(self) -> float | None:
        """Rows per second; None: rows come when something happens."""
        return None

    @property
    def fifo_rows(self) -> int | None:
        """Rows per read, where the configuration sets them."""
        return None

    @property
    def conversion(self) -> Conversion | None:
        """The time that a row takes on `thread`; None: too short to matter."""
        return None

    @property
    def cures(self) -> Cures:
        return Cures()

    @property
    def pi_lines(self) -> Sequence[int]:
        """Lines of a Raspberry Pi's header that its bus is wired to by default.

        Source: the firmware's overlays/README (i2c_arm, spi, w1-gpio).
        """
        return ()

    def lines(self) -> Iterable[LineClaim]:
        """Return the GPIO lines that the sensor uses."""
        return ()

    def claims(self) -> Iterable[Claim]:
        """Return what the sensor uses alone, besides GPIO lines."""
        return ()

    def held(self) -> Iterable[str]:
        """Return names for what `claims` returns that all configurations share.

        No two processes may hold the same name (`buses.ownership`). A key that may be
        written in several ways is resolved on this machine.

        Raises:
            BusError: the machine lacks it.
        """
        return [claim.what for claim in self.claims()]

    def missing(self, _facts: Facts) -> Iterable[tuple[str, Reason]]:
        """Return what the machine lacks for it: the key that requires it, and why."""
        return ()

    def bits_per_s(self, _module: DriverModule) -> float | None:
        """Return the load on the I2C bus named `thread`; None: none, or unknown."""
        return None


class DriverModule(Protocol):
    """The names that a file in `drivers/` holds.

    A chip with an identity register has an `IDENTITY: Identity`, one with a self-test
    the function of `acquisition.self_test.SelfTestModule`: `sensorml probe` finds
    both there.
    """

    Options: type[SensorOptions]
    """The keys of its `[[sensor]]` table."""

    def channels(self, options: SensorOptions) -> Sequence[Channel]:
        """Return the columns of its samples, without access to hardware."""

    def Driver(self, options: SensorOptions) -> Driver:  # noqa: N802
        """Return a driver; only its `start` accesses hardware."""


class Inference(NamedTuple):
    """The result of an engine: outputs (n, ...) float32 and its two stages."""

    outputs: Float32
    quantise_ns: int
    invoke_ns: int


class Engine(Protocol):
    """One loaded model on one delegate. Always called on the engine's thread."""

    delegate: str
    """The delegate that runs it: "cpu" or the name of a file in `delegates/`."""

    @property
    def degraded(self) -> bool:
        """Return whether the CPU replaces the configured accelerator."""

    @property
    def why(self) -> str:
        """The reason why it is degraded; else empty."""

    def infer(self, features: Float32) -> Inference:
        """Run the model on `features` (n, inputs), real values, n >= 1."""

    def close(self) -> None: ...


Row = tuple[object, ...]
"""A row of the journal; `storage.rows` has a type for each kind."""


class Delivered(NamedTuple):
    """The other side has stored every row."""


class Retry(NamedTuple):
    """It could not take these rows now: they are sent again later.

    Rows of other kinds are sent meanwhile.
    """

    reason: str
    after_s: float | None = None


class NoAnswer(NamedTuple):
    """It cannot be reached, or did not answer: nothing is sent for a while."""

    reason: str
    timed_out: bool = False
    """The connection was there, but the time was over: smaller batches are sent."""


class Split(NamedTuple):
    """The batch is too large: halves are sent."""

    reason: str


class Refused(NamedTuple):
    """It refused rows for what is in them: halves are sent, to find these rows."""

    reason: str
    rows: int | None = None
    """Their number, if all others of the batch are stored; None: unknown."""


class Hold(NamedTuple):
    """A person must act first (a token, a bucket): every row is kept meanwhile."""

    reason: Reason


Outcome = Delivered | Retry | NoAnswer | Split | Refused | Hold


class Sink(Protocol):
    """A receiver of rows. Always called on the sink's own thread."""

    batch_rows: int
    """The most rows of one call of `send`."""

    def send(self, kind: str, rows: Sequence[Row]) -> Outcome:
        """Send rows of one kind (a table of the journal), oldest first.

        Each has the columns of its type in `storage.rows`, then its id.
        """

    def close(self) -> None: ...


@runtime_checkable
class ChoosesKinds(Protocol):
    """A sink that receives rows of some kinds only; the others are never read."""

    kinds: Sequence[str]


class SinkModule(Protocol):
    """The contents of a file in `sinks/`."""

    Options: type[Table]

    def Sink(self, options: Table, tags: Mapping[str, str]) -> Sink:  # noqa: N802
        """Make the sink; `tags` are those of the box (`device`)."""

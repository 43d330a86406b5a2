"""Rows of the journal: one type for each table and InfluxDB measurement.

Everything else follows from these types: the columns and their order, the SQL
types, which columns a step of the wall clock moves, and what is a tag or a
field in line protocol.
"""

from typing import Annotated, NamedTuple, TypeAlias

Instant: TypeAlias = Annotated[int, "instant"]
"""A point in time in ns: monotonic in the outbox, UTC in the journal.

The last one of a row is its time in InfluxDB. Every other `_ns` is a duration.
"""
Tag: TypeAlias = Annotated[str, "tag"]
"""Text that InfluxDB indexes; other text is a field."""
Real: TypeAlias = float | None
"""A number that may be missing; NaN and the infinities are stored as missing."""
SteadyReal: TypeAlias = Annotated[float | None, "steady"]
SteadyInt: TypeAlias = Annotated[int, "steady"]
"""Numbers that seldom change from row to row, which makes writing them cheap."""


class PredictionRow(NamedTuple):
    """One judged window."""

    start_ns: Instant
    end_ns: Instant
    sensor: Tag
    model: Tag
    model_version: str
    delegate: Tag
    score: Real
    threshold: SteadyReal
    state: str
    quality: SteadyReal
    delay_ns: int
    features_ns: int
    quantise_ns: int
    invoke_ns: int
    decide_ns: int
    degraded: SteadyInt
    """1 while the CPU does the work of an accelerator, else 0."""
    label: str
    probability: Real


class AlarmRow(NamedTuple):
    """One transition of an alarm."""

    time_ns: Instant
    alarm: Tag
    sensor: Tag
    model: Tag
    state: str
    previous: str
    reason: str
    score: Real
    threshold: Real


class EventRow(NamedTuple):
    """One thing that happened to the service or to a part of it."""

    time_ns: Instant
    kind: Tag
    subject: Tag
    state: str
    previous: str
    detail: str
    value: Real


class TimingRow(NamedTuple):
    """Percentiles of the duration of one stage over one period."""

    start_ns: Instant
    time_ns: Instant
    sensor: Tag
    model: Tag
    delegate: Tag
    stage: Tag
    count: int  # type: ignore[assignment]  # hides tuple.count, which is not used
    p50_ns: int
    p95_ns: int
    p99_ns: int
    max_ns: int


class SensorRow(NamedTuple):
    """State and counts of one sensor over one period."""

    start_ns: Instant
    time_ns: Instant
    sensor: Tag
    state: str
    rate_hz: Real
    rows: int
    missed: int
    overrun: int
    duplicated: int
    clipped: int
    jitter_ns: int
    failures: int


class FeatureRow(NamedTuple):
    """One feature of a sensor's windows, averaged over one period."""

    start_ns: Instant
    time_ns: Instant
    sensor: Tag
    model: Tag
    feature: Tag
    unit: Tag
    """"dB" for the band of a spectrum, re 1 unit²; a band has two edges."""
    low_hz: SteadyReal
    high_hz: SteadyReal
    value: Real


class BoxRow(NamedTuple):
    """The computer and the service on it, once a minute."""

    time_ns: Instant
    version: str
    state: str
    """The status of the service in words."""
    alarms: int
    """Alarms that are on."""
    blind: int
    """Alarms that cannot see."""
    faults: int
    """Sensors that are not in order."""
    temperature_c: Real
    throttled: int
    """1 while the firmware throttles the processor, else 0."""
    throttling: str
    """The reasons, now and since the start of the machine."""
    load: Real
    memory_free_bytes: int
    process_bytes: int
    """Memory of the service itself."""
    disk_free_bytes: int
    journal_bytes: int
    waiting: int
    """Rows that wait in memory for the journal."""
    uptime_ns: int
    """Of the service."""


class SinkRow(NamedTuple):
    """The state of one sink, once a minute."""

    time_ns: Instant
    sink: Tag
    state: str
    reason: str
    backlog: int
    """Rows in the journal that are not delivered yet."""
    set_aside: int
    """Rows that the server has refused since the start."""


class Letter(NamedTuple):
    """Rows of one kind that a sink refused; the rows themselves stay in their table."""

    kind: str
    first_id: int
    last_id: int
    rows: int
    """The number of refused rows in this range of ids."""
    reason: str

    def __str__(self) -> str:
        """Return the letter in words.

        >>> print(Letter("event", 7, 7, 1, "HTTP 400: no"))
        row 7 of event was refused (HTTP 400: no)
        """
        if self.first_id == self.last_id:
            return f"row {self.last_id} of {self.kind} was refused ({self.reason})"
        return (
            f"{self.rows} rows of {self.kind} from {self.first_id} to {self.last_id} "
            f"were refused ({self.reason})"
        )

"""The values that travel through the pipeline. No behaviour, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]

NO_ROWS: Final[NDArray[np.intp]] = np.empty(0, np.intp)
"""The value of `Block.clipped` for a block without clipped rows."""


class Channel(NamedTuple):
    """One column of a sensor's samples."""

    name: str
    unit: str


class RateFault(NamedTuple):
    """A sample rate that the data sheet does not allow."""

    measured_hz: float
    nominal_hz: float
    tolerance: float
    """As a share of the nominal rate."""

    def __str__(self) -> str:
        allowed = f"{self.nominal_hz:g} Hz ± {self.tolerance * 100:g} %"
        return f"{self.measured_hz:.1f} samples a second and not {allowed}"


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The result of one read of a sensor: the new rows, oldest first.

    Times are nanoseconds on the source's one clock: CLOCK_MONOTONIC for a
    sensor, UTC for a recording that is scored.
    """

    samples: Float32
    """Shape (n, channels), n >= 1, in the unit of the channels; NaN in every row for a
    channel that this chip lacks."""
    start_ns: int
    """The time of `samples[0]`, by the sensor's own clock."""
    rate_hz: float
    """Measured sample rate; row i was taken at start_ns + i / rate_hz."""
    missed: int = 0
    """Rows the sensor took between the last block and this one that are lost."""
    clipped: NDArray[np.intp] = field(default_factory=lambda: NO_ROWS)
    """Indices of the rows with a channel at full scale."""
    age_ns: int = 0
    """From the taking of the last row to the return of the read."""
    jitter_ns: int = 0
    """The time of the newest row minus the one expected from the blocks before;
    later is positive, 0 where nothing is estimated."""
    duplicated: int = 0
    """Rows that are bit-identical to the row before them, in all channels."""
    frozen: bool = False
    """True after more repetitions of the newest row than a sensor of this kind can
    make."""
    rate_fault: RateFault | None = None
    """The true rate, where the data sheet does not allow it."""
    bridged: int = 0
    """Rows at its beginning that the sensor did not deliver: see `pipeline.bridge`."""


class State(StrEnum):
    """The state of one window."""

    NORMAL = "normal"
    ANOMALY = "anomaly"
    BASELINE_MISMATCH = "baseline_mismatch"
    UNKNOWN = "unknown"


class Prediction(NamedTuple):
    """One window, judged. Durations in ns, each the window's own share."""

    window: int
    """Number of the window since the source began, from 0."""
    start_ns: int
    end_ns: int
    score: float
    """Larger is stranger; NaN where the window was withheld from the model."""
    threshold: float
    state: State
    quality: float
    """Share of the window's time that is covered by real samples, 0 to 1."""
    delay_ns: int
    """From the taking of the window's last sample to this result."""
    features_ns: int
    quantise_ns: int
    invoke_ns: int
    decide_ns: int
    label: str = ""
    probability: float = float("nan")
    reason: str = ""
    """The reason of the states unknown and baseline_mismatch, in words."""


class AlarmState(StrEnum):
    """The state of an alarm, as people see it."""

    NORMAL = "normal"
    ALARM = "alarm"
    UNKNOWN = "unknown"
    DISARMED = "disarmed"


class SensorState(StrEnum):
    """The state of a sensor."""

    STARTING = "starting"
    OK = "ok"
    STALE = "stale"
    FROZEN = "frozen"
    CLIPPED = "clipped"
    OVERRUN = "overrun"
    OFF_RATE = "off_rate"
    DISTURBED = "disturbed"
    ABSENT = "absent"
    WRONG_CHIP = "wrong_chip"
    DENIED = "denied"
    ENDED = "ended"


class Change(NamedTuple):
    """An alarm or a sensor went from one state to another."""

    at_ns: int
    before: str
    after: str
    reason: str

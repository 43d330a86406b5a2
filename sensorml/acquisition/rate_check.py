"""The check of a sensor's true rate against the one that its data sheet allows.

A FIFO that gives fewer rows than its sensor can have taken has another reader, which
got the others; one that gives more was set to another rate, or the chip is no genuine
part. `SampleClock` follows any rate, so it cannot notice either.
"""

from __future__ import annotations

from typing import Final

from sensorml.types import RateFault

CHECK_S: Final = 2.0
"""The rate is measured over so long at least."""
SURE: Final = 0.5
"""It is measured until it is as certain as this share of the tolerance."""

OSCILLATOR: Final = 0.1
"""No oscillator is further off its nominal rate, unless its data sheet allows it."""


class RateCheck:
    """The rows of one sensor, counted against the clock, from its start on."""

    def __init__(self, nominal_hz: float, tolerance: float) -> None:
        """Begin with the next read.

        Args:
            nominal_hz: The rate that is set.
            tolerance: The share by which the data sheet lets it differ.
        """
        self._nominal_hz = nominal_hz
        self._tolerance = tolerance
        self._rows = 0
        self._first_ns: tuple[int, int] | None = None
        self._owed = 0.0  # rows due since the last that were counted
        self._last_ns: float | None = None
        self.fault: RateFault | None = None
        """The rate of the last measurement, if it was outside the tolerance."""

    @property
    def shared(self) -> bool:
        """Return whether the rows are too few for any oscillator: others get some."""
        least_hz = self._nominal_hz * (1 - max(self._tolerance, OSCILLATOR))
        return self.fault is not None and self.fault.measured_hz < least_hz

    def restart(self) -> None:
        """Begin again, because rows were lost in a way that was noticed."""
        self._rows, self._first_ns, self._last_ns = 0, None, None

    def add(self, rows: int, began_ns: int, ended_ns: int) -> int:
        """Count the rows of a read, whose status read began and ended then.

        Returns:
            The rows before these that others got: when that becomes known, all since
            the measurement began; 0 if the sensor is not `shared`.
        """
        others = self._others(rows, began_ns, ended_ns)
        if self._first_ns is None:
            self._first_ns = (began_ns, ended_ns)
            return others
        self._rows += rows
        first_began_ns, first_ended_ns = self._first_ns
        span_s = (began_ns + ended_ns - first_began_ns - first_ended_ns) / 2e9
        reads_s = (ended_ns - began_ns + first_ended_ns - first_began_ns) / 1e9
        expected = span_s * self._nominal_hz
        doubt = 1 + reads_s * self._nominal_hz  # in rows
        if span_s < CHECK_S or doubt > SURE * self._tolerance * expected:
            return others
        got, before = self._rows, self.shared
        self._rows, self._first_ns = 0, (began_ns, ended_ns)
        beyond = abs(got - expected) > self._tolerance * expected + doubt
        fault = RateFault(got / span_s, self._nominal_hz, self._tolerance)
        self.fault = fault if beyond else None
        if self.shared and not before:
            self._owed, self._last_ns = 0.0, (began_ns + ended_ns) / 2
            return round(expected) - got
        return others

    def _others(self, rows: int, began_ns: int, ended_ns: int) -> int:
        """Return how many rows others got since the last read."""
        if not self.shared:
            return 0
        at_ns = (began_ns + ended_ns) / 2
        if self._last_ns is not None:
            self._owed += (at_ns - self._last_ns) * self._nominal_hz / 1e9 - rows
        self._last_ns = at_ns
        others = max(0, round(self._owed))
        self._owed -= others
        return others

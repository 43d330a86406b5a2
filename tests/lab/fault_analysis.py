"""What a storm has left in the journal, against what it has done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from fault_run import FROZEN_ROWS, Storm, Strike
from faults import FAULTS, OUTAGES, STALL, STRETCHES_S, stretch_the_clock
from rig import Place

from sensorml.acquisition.bus_thread import FIRST_RETRY_S, LAST_RETRY_S
from sensorml.acquisition.fifo import SILENT_S
from sensorml.acquisition.sensor_health import SETTLE_NS
from sensorml.buses.i2c_dev import TIMEOUT_S
from sensorml.types import SensorState

READ_S = 0.3
"""To start all chips of a bus, to read one, and to judge that."""
BURST_S = 0.1
"""A FIFO that overflows loses its oldest samples first: so old they may have been
when the fault began."""
ABOUT_S = 0.05
"""So soon after a fault's end an attempt that is due may have come before it."""
CHECKSUM = 0.02
"""How far off a checksum may be: the coarsest chip has steps of 1 mg."""
OFF_S, OFF_PERIODS = 0.002, 1.5
"""How far off a window's times may be, together: a chip that has just started may
be 4 % faster than is known, and its samples have come between two reads."""


class Loss(NamedTuple):
    """Rows that are missing within a window, or between two."""

    from_ns: int
    to_ns: int
    rows: int

    def during(self, strikes: list[Strike]) -> list[Strike]:
        return [
            strike
            for strike in strikes
            if strike.begun_ns - BURST_S * 1e9 <= self.to_ns
            and self.from_ns <= strike.over_ns
        ]


def losses(storm: Storm, place: Place) -> Iterator[Loss]:
    """Yield what is missing by the journal's windows."""
    end_ns, period_ns = None, 1e9 / place.rate_hz
    for row in storm.rows("prediction", place):
        if row["quality"] < 1:
            rows = round(place.window / row["quality"]) - place.window
            yield Loss(row["start_ns"], row["end_ns"], rows)
        if end_ns is not None:
            between = round((row["start_ns"] - end_ns) / period_ns) - 1
            if between:
                yield Loss(end_ns, row["start_ns"], between)
        end_ns = row["end_ns"]


def strange_losses(storm: Storm) -> Iterator[tuple[Place, Loss, list[Strike]]]:
    """Yield what sensors have lost that no fault had hit, and what happened then."""
    for place in storm.bench.fast:
        for loss in losses(storm, place):
            strikes = loss.during(storm.strikes)
            if not any(strike.hits(place) for strike in strikes):
                yield place, loss, strikes


def told(storm: Storm, place: Place, strike: Strike) -> list[dict]:
    """Return the events about a sensor's state from a fault's begin to its end."""
    return [
        row
        for row in states(storm, place)
        if strike.begun_ns <= row["time_ns"] <= strike.over_ns
    ]


def states(storm: Storm, place: Place) -> list[dict]:
    """Return the events about a sensor's state."""
    return [
        row
        for row in storm.rows("event", place)
        if row["kind"] == "sensor" and row["state"] in set(SensorState)
    ]


def remarks(storm: Storm, place: Place, strike: Strike) -> list[str]:
    """Return what was remarked about a sensor during a fault."""
    return [
        row["detail"]
        for row in storm.rows("event", place)
        if row["state"] == "remark"
        and strike.begun_ns <= row["time_ns"] <= strike.over_ns
    ]


def hit(storm: Storm, strike: Strike) -> Iterator[tuple[Place, list[dict]]]:
    """Yield the sensors that a fault must have hit, with what was told of them."""
    for place in strike.waited_for:
        yield place, told(storm, place, strike)


class Recovery(NamedTuple):
    """How a sensor came back from a fault."""

    strike: Strike
    place: Place
    events: list[dict]
    begins_s: float
    """The longest that the back-off's first wait may be: a sensor that was well for
    less than its last wait goes on from there."""

    @property
    def failed_ns(self) -> int:
        """When it had become what the fault makes of it."""
        ends_as = self.strike.ends_as
        return next(row["time_ns"] for row in self.events if row["state"] == ends_as)

    @property
    def took_s(self) -> float:
        """From the fault's end."""
        return (self.events[-1]["time_ns"] - self.strike.ended_ns) / 1e9

    def attempts(self) -> tuple[int, float]:
        """Return how many attempts at most the fault let fail, and the longest wait.

        The first was to read; the others, to start, begin 0.5, 1, 2, … s after the
        one before has failed, and a chip that hangs lets one fail after a time-out.
        """
        begins_s = (FIRST_RETRY_S, self.begins_s)
        counts, waits_s = zip(*map(self._attempts, begins_s), strict=True)
        return max(counts), max(waits_s)

    def _attempts(self, wait_s: float) -> tuple[int, float]:
        count = 1
        next_ns = self.failed_ns + wait_s * 1e9
        while next_ns < self.strike.ended_ns + ABOUT_S * 1e9:
            count, wait_s = count + 1, min(2 * wait_s, LAST_RETRY_S)
            next_ns += (self._fails_after_s + wait_s) * 1e9
        return count, wait_s

    def allowed_s(self) -> float:
        """Return how long it may take."""
        if self.strike.ends_as is SensorState.OVERRUN:
            return SETTLE_NS / 1e9 + READ_S
        if self.strike.ends_as is SensorState.FROZEN:
            return 2 * self.place.window / self.place.rate_hz + READ_S
        _, wait_s = self.attempts()
        silent_s = max(0.0, (self.failed_ns - self.strike.ended_ns) / 1e9)
        assert silent_s <= SILENT_S + READ_S
        start_s = self._fails_after_s + self.place.period_s + READ_S
        return silent_s + wait_s + start_s

    @property
    def _fails_after_s(self) -> float:
        return TIMEOUT_S if self.strike.hangs else 0.0


def recoveries(storm: Storm) -> Iterator[Recovery]:
    """Yield how sensors came back, from every fault that was told of them."""
    begins_s = dict.fromkeys(storm.bench.places, FIRST_RETRY_S)
    well_ns = dict.fromkeys(storm.bench.places, 0)
    for strike in storm.strikes:
        for place, events in hit(storm, strike):
            if not events:
                continue
            well_s = (strike.begun_ns - well_ns[place]) / 1e9
            if well_s > begins_s[place] + READ_S:
                begins_s[place] = FIRST_RETRY_S
            recovery = Recovery(strike, place, events, begins_s[place])
            yield recovery
            if strike.ends_as is SensorState.ABSENT:
                _, wait_s = recovery.attempts()
                begins_s[place] = min(2 * wait_s, LAST_RETRY_S)
                well_ns[place] = events[-1]["time_ns"]


def held_up_s(storm: Storm, place: Place, row: dict) -> float:
    """Return how much further a window's times may be off.

    What is lost while a chip stretches the clock is counted by when the next status
    was read; that is two messages, and in which moment of them nobody can tell.
    """
    stretched = any(
        strike.fault.begin is stretch_the_clock
        and strike.hits(place)
        and strike.begun_ns <= row["end_ns"]
        and row["start_ns"] <= strike.over_ns
        for strike in storm.strikes
    )
    return STRETCHES_S[1] if stretched else 0.0


def off_by_ns(
    place: Place,
    weights: np.ndarray,
    truth: tuple[np.ndarray, ...],
    row: dict,
    more_s: float = 0.0,
) -> int | None:
    """Return how far a window's times are from the truth.

    None: no samples in a row that were taken about then, give or take `more_s` more
    than usual, have such a score.
    """
    at_ns, values, repeated = truth
    most_ns = (OFF_S + more_s + OFF_PERIODS / place.rate_hz) * 1e9
    bounds_ns = (row["start_ns"] - most_ns, row["start_ns"] + most_ns)
    for first in range(*np.searchsorted(at_ns, bounds_ns)):
        rows = slice(first, first + place.window)
        steps_ns = np.diff(at_ns[rows])
        checksum = (values[rows] * weights[: len(values[rows])]).sum()
        off_ns = max(
            abs(row["start_ns"] - at_ns[rows][0]), abs(row["end_ns"] - at_ns[rows][-1])
        )
        if (
            abs(checksum - row["score"]) < CHECKSUM
            and steps_ns.max() - steps_ns.min() < 0.01 * steps_ns.min()
            and repeated[rows].sum() < FROZEN_ROWS
            and off_ns <= most_ns
        ):
            return off_ns
    return None


def table(storm: Storm) -> Iterator[str]:
    """Yield what came of every fault."""
    yield "| fault | told | as | after | back after | others' samples lost |"
    yield "| --- | --- | --- | --- | --- | --- |"
    strange, back = list(strange_losses(storm)), list(recoveries(storm))
    for fault in (*FAULTS, *(fault for fault, _ in OUTAGES), STALL):
        strikes = [strike for strike in storm.strikes if strike.fault == fault]
        found = [each for each in back if each.strike.fault == fault]
        heard = len({each.strike.begun_ns for each in found})
        became = {row["state"] for each in found for row in each.events[:-1]}
        seen_s = [
            (each.events[0]["time_ns"] - each.strike.begun_ns) / 1e9 for each in found
        ]
        back_s = [each.took_s for each in found]
        lost = sum(
            loss.rows
            for _, loss, during in strange
            if any(s in strikes for s in [s for s in during if s.waited_s] or during)
        )
        yield (
            f"| {fault.name} | {heard} of {len(strikes)} | "
            f"{' or '.join(sorted(became))} | ≤ {max(seen_s, default=0):.2f} s | "
            f"≤ {max(back_s, default=0):.2f} s | {lost} |"
        )

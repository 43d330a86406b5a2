"""Analysis of a fault run: lost samples, events, recoveries, times of windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from fault_run import FROZEN_ROWS, FaultRun, Injection
from faults import FAULTS, LONG_PAUSE, OUTAGES, STRETCHES_S, stretch_clock
from rig import Slot

from sensorml.acquisition.bus_thread import FIRST_RETRY_S, LAST_RETRY_S
from sensorml.acquisition.fifo import SILENT_S
from sensorml.acquisition.sensor_health import SETTLE_NS
from sensorml.buses.i2c_dev import TIMEOUT_S
from sensorml.types import SensorState

READ_S = 0.3
"""The time to start all chips of a bus, to read one, and to judge its samples."""
BURST_S = 0.1
"""The age that samples can have when a fault begins: a FIFO that overflows loses its
oldest samples first."""
SAME_TIME_S = 0.05
"""An attempt that is due this soon after a fault's end may have come before it."""
CHECKSUM = 0.02
"""The tolerance of a checksum, because the coarsest chip has steps of 1 mg."""
TIME_ERROR_S, TIME_ERROR_PERIODS = 0.002, 1.5
"""The tolerance of a window's times, added together: a chip that has just started
may be 4 % faster than assumed, and its samples have come between two reads."""


class Loss(NamedTuple):
    """Rows that are missing within a window, or between two."""

    from_ns: int
    to_ns: int
    rows: int

    def possible_causes(self, injections: list[Injection]) -> list[Injection]:
        return [
            injection
            for injection in injections
            if injection.begun_ns - BURST_S * 1e9 <= self.to_ns
            and self.from_ns <= injection.settled_ns
        ]


def losses(run: FaultRun, slot: Slot) -> Iterator[Loss]:
    """Yield the rows that are missing according to the journal's windows."""
    end_ns, period_ns = None, 1e9 / slot.rate_hz
    for row in run.rows("prediction", slot):
        if row["quality"] < 1:
            rows = round(slot.window / row["quality"]) - slot.window
            yield Loss(row["start_ns"], row["end_ns"], rows)
        if end_ns is not None:
            between = round((row["start_ns"] - end_ns) / period_ns) - 1
            if between:
                yield Loss(end_ns, row["start_ns"], between)
        end_ns = row["end_ns"]


def neighbour_losses(run: FaultRun) -> Iterator[tuple[Slot, Loss, list[Injection]]]:
    """Yield losses of sensors that no fault affected, and the faults at that time."""
    for slot in run.rig.fast:
        for loss in losses(run, slot):
            causes = loss.possible_causes(run.injections)
            if not any(injection.affects(slot) for injection in causes):
                yield slot, loss, causes


def events_during(run: FaultRun, slot: Slot, injection: Injection) -> list[dict]:
    """Return the changes of a sensor's state from a fault's beginning to its end."""
    return [
        row
        for row in state_events(run, slot)
        if injection.begun_ns <= row["time_ns"] <= injection.settled_ns
    ]


def state_events(run: FaultRun, slot: Slot) -> list[dict]:
    """Return all changes of a sensor's state."""
    return [
        row
        for row in run.rows("event", slot)
        if row["kind"] == "sensor" and row["state"] in set(SensorState)
    ]


def warnings_during(run: FaultRun, slot: Slot, injection: Injection) -> list[str]:
    """Return the warnings about a sensor during a fault."""
    return [
        row["detail"]
        for row in run.rows("event", slot)
        if row["state"] == "remark"
        and injection.begun_ns <= row["time_ns"] <= injection.settled_ns
    ]


def affected(run: FaultRun, injection: Injection) -> Iterator[tuple[Slot, list[dict]]]:
    """Yield the sensors that a fault must affect, with their changes of state."""
    for slot in injection.affected:
        yield slot, events_during(run, slot, injection)


class Recovery(NamedTuple):
    """The return of a sensor after a fault."""

    injection: Injection
    slot: Slot
    events: list[dict]
    first_wait_s: float
    """The longest first wait of the back-off: a sensor that was well for less than
    its last wait continues from there."""

    @property
    def failed_ns(self) -> int:
        """The time at which it reached the fault's last state."""
        last_state = self.injection.last_state
        return next(row["time_ns"] for row in self.events if row["state"] == last_state)

    @property
    def took_s(self) -> float:
        """The time from the fault's end."""
        return (self.events[-1]["time_ns"] - self.injection.ended_ns) / 1e9

    def attempts(self) -> tuple[int, float]:
        """Return the most attempts that can have failed, and the longest wait.

        The first attempt was a read; the others, starts, begin 0.5, 1, 2, … s after
        the previous one has failed, which with a chip that hangs takes a time-out.
        """
        waits_s = (FIRST_RETRY_S, self.first_wait_s)
        counts, longest_s = zip(*map(self._attempts, waits_s), strict=True)
        return max(counts), max(longest_s)

    def _attempts(self, wait_s: float) -> tuple[int, float]:
        count = 1
        next_ns = self.failed_ns + wait_s * 1e9
        while next_ns < self.injection.ended_ns + SAME_TIME_S * 1e9:
            count, wait_s = count + 1, min(2 * wait_s, LAST_RETRY_S)
            next_ns += (self._fails_after_s + wait_s) * 1e9
        return count, wait_s

    def allowed_s(self) -> float:
        """Return the longest time that the recovery may take."""
        if self.injection.last_state is SensorState.OVERRUN:
            return SETTLE_NS / 1e9 + READ_S
        if self.injection.last_state is SensorState.FROZEN:
            return 2 * self.slot.window / self.slot.rate_hz + READ_S
        _, wait_s = self.attempts()
        silent_s = max(0.0, (self.failed_ns - self.injection.ended_ns) / 1e9)
        assert silent_s <= SILENT_S + READ_S
        start_s = self._fails_after_s + self.slot.period_s + READ_S
        return silent_s + wait_s + start_s

    @property
    def _fails_after_s(self) -> float:
        return TIMEOUT_S if self.injection.hangs else 0.0


def recoveries(run: FaultRun) -> Iterator[Recovery]:
    """Yield the recovery of every sensor from every fault that it reported."""
    first_wait_s = dict.fromkeys(run.rig.slots, FIRST_RETRY_S)
    well_ns = dict.fromkeys(run.rig.slots, 0)
    for injection in run.injections:
        for slot, events in affected(run, injection):
            if not events:
                continue
            well_s = (injection.begun_ns - well_ns[slot]) / 1e9
            if well_s > first_wait_s[slot] + READ_S:
                first_wait_s[slot] = FIRST_RETRY_S
            recovery = Recovery(injection, slot, events, first_wait_s[slot])
            yield recovery
            if injection.last_state is SensorState.ABSENT:
                _, wait_s = recovery.attempts()
                first_wait_s[slot] = min(2 * wait_s, LAST_RETRY_S)
                well_ns[slot] = events[-1]["time_ns"]


def stretch_error_s(run: FaultRun, slot: Slot, row: dict) -> float:
    """Return the additional tolerance of a window's times from clock stretching.

    The rows that were lost are counted from the time of the next status read. That
    read is two messages, and the moment within them is unknown.
    """
    stretched = any(
        injection.fault.begin is stretch_clock
        and injection.affects(slot)
        and injection.begun_ns <= row["end_ns"]
        and row["start_ns"] <= injection.settled_ns
        for injection in run.injections
    )
    return STRETCHES_S[1] if stretched else 0.0


def time_error_ns(
    slot: Slot,
    weights: np.ndarray,
    truth: tuple[np.ndarray, ...],
    row: dict,
    tolerance_s: float = 0.0,
) -> int | None:
    """Return the error of a window's times.

    `tolerance_s` is added to the usual tolerance. The result is None if no
    consecutive samples that were taken at about that time have the window's score.
    """
    at_ns, values, repeated = truth
    most_ns = (TIME_ERROR_S + tolerance_s + TIME_ERROR_PERIODS / slot.rate_hz) * 1e9
    bounds_ns = (row["start_ns"] - most_ns, row["start_ns"] + most_ns)
    for first in range(*np.searchsorted(at_ns, bounds_ns)):
        rows = slice(first, first + slot.window)
        steps_ns = np.diff(at_ns[rows])
        checksum = (values[rows] * weights[: len(values[rows])]).sum()
        error_ns = max(
            abs(row["start_ns"] - at_ns[rows][0]), abs(row["end_ns"] - at_ns[rows][-1])
        )
        if (
            abs(checksum - row["score"]) < CHECKSUM
            and steps_ns.max() - steps_ns.min() < 0.01 * steps_ns.min()
            and repeated[rows].sum() < FROZEN_ROWS
            and error_ns <= most_ns
        ):
            return error_ns
    return None


def summary_table(run: FaultRun) -> Iterator[str]:
    """Yield a Markdown table with the results for every fault."""
    yield "| fault | reported | as | after | back after | others' samples lost |"
    yield "| --- | --- | --- | --- | --- | --- |"
    lost_by_neighbours, all_recoveries = (
        list(neighbour_losses(run)),
        list(recoveries(run)),
    )
    for fault in (*FAULTS, *(fault for fault, _ in OUTAGES), LONG_PAUSE):
        injections = [i for i in run.injections if i.fault == fault]
        returned = [r for r in all_recoveries if r.injection.fault == fault]
        reported = len({r.injection.begun_ns for r in returned})
        states = {row["state"] for r in returned for row in r.events[:-1]}
        reported_s = [
            (recovery.events[0]["time_ns"] - recovery.injection.begun_ns) / 1e9
            for recovery in returned
        ]
        back_s = [recovery.took_s for recovery in returned]
        lost = sum(
            loss.rows
            for _, loss, causes in lost_by_neighbours
            if any(c in injections for c in [c for c in causes if c.waited_s] or causes)
        )
        yield (
            f"| {fault.name} | {reported} of {len(injections)} | "
            f"{' or '.join(sorted(states))} | ≤ {max(reported_s, default=0):.2f} s | "
            f"≤ {max(back_s, default=0):.2f} s | {lost} |"
        )

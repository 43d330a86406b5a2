"""The storm: every fault many times, at random moments, and what came of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
from faults import FAULTS, STALL, Place
from storm import FROZEN_ROWS, Storm, Strike, rage

from sensorml.buses.chip import SILENT_S
from sensorml.health import SETTLE_NS
from sensorml.sampling import FIRST_RETRY_S
from sensorml.types import SensorState

pytestmark = pytest.mark.timeout(0)  # it would count the guest's time

TIMES = int(os.environ.get("SENSORML_LAB_FAULTS", "20"))
SEED = int(os.environ.get("SENSORML_LAB_SEED", "1"))

READ_S = 0.2
"""To start a chip, to read it, and to judge that."""
BURST_S = 0.1
"""What has gathered in a FIFO when it overflows is lost with the rest."""
CHECKSUM = 0.02
"""How far off a checksum may be: the coarsest chip has steps of 1 mg."""
OFF_S, OFF_PERIODS = 0.002, 1.5
"""How far off a window's times may be, together: a chip that has just started may
be 4 % faster than is known, and its samples have come between two reads."""


@pytest.fixture(scope="module")
def storm(tmp_path_factory):
    return rage(tmp_path_factory.mktemp("storm"), TIMES, SEED)


class Loss(NamedTuple):
    """Rows that are missing within a window, or between two."""

    from_ns: int
    to_ns: int
    rows: int

    def during(self, strikes: list[Strike]) -> list[Strike]:
        return [
            strike
            for strike in strikes
            if strike.begun_ns <= self.to_ns and self.from_ns <= strike.over_ns
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
        for row in storm.rows("event", place)
        if row["kind"] == "sensor"
        and row["state"] in set(SensorState)
        and strike.begun_ns <= row["time_ns"] <= strike.over_ns
    ]


def hit(storm: Storm, strike: Strike) -> Iterator[tuple[Place, list[dict]]]:
    """Yield the sensors that a fault has hit, with what was told of them."""
    for place in storm.bench.fast:
        if strike.hits(place):
            yield place, told(storm, place, strike)


def test_the_service_lives_and_stops_in_order(storm):
    assert storm.status == 0
    assert "Traceback" not in storm.log
    for place in storm.bench.places:
        assert storm.rows("event", place)[-1]["state"] == "ok"


def test_nobody_loses_a_sample_by_a_fault_of_another(storm):
    for place, loss, strikes in strange_losses(storm):
        # While a chip holds the clock nobody on its bus can be read.
        held_s = sum(s.waited_s + BURST_S for s in strikes if s.waited_s)
        assert any(s.place.bus == place.bus for s in strikes), (place, loss)
        assert loss.rows <= held_s * place.rate_hz, (place, loss)


def test_every_fault_is_told_once_in_words(storm):
    for strike in storm.strikes:
        fault = strike.fault
        for _, events in hit(storm, strike):
            what = f"{fault.name} at {strike.begun_ns / 1e9:.3f} s: {events}"
            if not events:
                assert not fault.sure, what
                continue
            *during, after = events
            assert after["state"] == "ok", what
            states = [row["state"] for row in during]
            assert states[-1] == strike.ends_as, what
            assert set(states) <= set(fault.states), what
            assert len(states) <= 2, what  # a second one, for another reason
            for row in during:
                assert re.search(fault.says, row["detail"]), what
                assert "changes since" not in row["detail"], what
    clones = sum(s.fault.name == "another identity" for s in storm.strikes)
    remarks = [row for row in storm.journal["event"] if row["state"] == "remark"]
    assert len(remarks) >= clones > 0


def test_the_others_are_told_nothing_of(storm):
    for strike in storm.strikes:
        for place in storm.bench.fast:
            if not strike.hits(place):
                states = {row["state"] for row in told(storm, place, strike)}
                held = strike.waited_s and strike.place.bus == place.bus
                assert states <= ({"overrun", "ok"} if held else set()), strike


def test_sensors_are_back_within_the_wait_that_was_running(storm):
    for strike in storm.strikes:
        for place, events in hit(storm, strike):
            if events:
                took_s = (events[-1]["time_ns"] - strike.ended_ns) / 1e9
                failed_ns = next(
                    row["time_ns"] for row in events if row["state"] == strike.ends_as
                )
                allowed_s = back_within_s(strike, place, failed_ns)
                what = f"{strike.fault.name} until {strike.ended_ns}: {events}"
                assert took_s <= allowed_s, what


def back_within_s(strike: Strike, place: Place, failed_ns: int) -> float:
    """Return how long after a fault's end a sensor may take to be ok."""
    if strike.ends_as is SensorState.OVERRUN:
        return SETTLE_NS / 1e9 + READ_S
    if strike.ends_as is SensorState.FROZEN:
        return 2 * place.window / place.rate_hz + READ_S
    # Attempts begin 0.5, 1, 2, … s after one another; a chip may still hang in one.
    wait_s = FIRST_RETRY_S
    attempt_ns = failed_ns + (wait_s - strike.waited_s) * 1e9
    while attempt_ns < strike.ended_ns:
        wait_s *= 2
        attempt_ns += wait_s * 1e9
    silent_s = max(0.0, (failed_ns - strike.ended_ns) / 1e9)
    assert silent_s <= SILENT_S + READ_S
    return silent_s + wait_s + strike.waited_s + READ_S


def test_every_window_that_is_scored_was_sampled_so_and_then(storm, figure):
    for place in storm.bench.fast:
        weights, truth = storm.weights[place.name], place.truth.whole()
        scored = [r for r in storm.rows("prediction", place) if r["state"] != "unknown"]
        off_ns = [off_by_ns(place, weights, truth, row) for row in scored]
        unlike = [row for row, off in zip(scored, off_ns, strict=True) if off is None]
        assert not unlike, (place.name, unlike)
        off_us = np.array(off_ns) / 1e3
        figure(
            f"{place.driver} at {place.rate_hz} Hz: {len(scored)} windows scored, each "
            f"of true samples in a row; times off by p99 "
            f"{np.percentile(off_us, 99):.0f} µs, largest {off_us.max():.0f} µs"
        )
        assert len(scored) > 50 * TIMES


def off_by_ns(place, weights, truth, row):
    """Return how far a window's times are from the truth.

    None: no samples in a row that were taken about then have such a score.
    """
    at_ns, values, repeated = truth
    most_ns = (OFF_S + OFF_PERIODS / place.rate_hz) * 1e9
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


def test_what_came_of_every_fault_is_a_table(storm, figure):
    lines = list(table(storm))
    assert len(lines) == 2 + len(FAULTS) + 1
    for line in lines:
        figure(line)


def table(storm: Storm) -> Iterator[str]:
    """Yield what came of every fault."""
    yield "| fault | times | told as | after | back after | others' samples lost |"
    yield "| --- | --- | --- | --- | --- | --- |"
    strange = list(strange_losses(storm))
    for fault in (*FAULTS, STALL):
        strikes = [strike for strike in storm.strikes if strike.fault == fault]
        found = [
            (strike, events)
            for strike in strikes
            for _, events in hit(storm, strike)
            if events
        ]
        states = " or ".join(sorted({row["state"] for _, e in found for row in e[:-1]}))
        seen_s = [(e[0]["time_ns"] - s.begun_ns) / 1e9 for s, e in found] or [0.0]
        back_s = [(e[-1]["time_ns"] - s.ended_ns) / 1e9 for s, e in found] or [0.0]
        lost = sum(
            loss.rows
            for _, loss, during in strange
            if any(s in strikes for s in [s for s in during if s.waited_s] or during)
        )
        yield (
            f"| {fault.name} | {len(strikes)} | {states} | ≤ {max(seen_s):.2f} s | "
            f"≤ {max(back_s):.2f} s | {lost} |"
        )

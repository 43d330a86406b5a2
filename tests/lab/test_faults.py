"""The storm: every fault many times, at random moments, and what came of it."""

from __future__ import annotations

import math
import os
import re
from collections import Counter

import numpy as np
import pytest
from fault_analysis import (
    READ_S,
    held_up_s,
    hit,
    off_by_ns,
    recoveries,
    remarks,
    states,
    strange_losses,
    table,
    told,
)
from fault_run import rage
from faults import FAULTS, OUTAGES, put_clone_in
from rig import TICK_S

from sensorml.acquisition.fifo_schedule import USUAL_S
from sensorml.buses.i2c_dev import TIMEOUT_S

pytestmark = pytest.mark.timeout(0)  # it would count the guest's time

TIMES = int(os.environ.get("SENSORML_LAB_FAULTS", "20"))
SEED = int(os.environ.get("SENSORML_LAB_SEED", "1"))

UNREAD_S = USUAL_S + TIMEOUT_S + TICK_S + 0.005
"""The longest that a FIFO is not read while another chip on its bus hangs."""


@pytest.fixture(scope="module")
def storm(tmp_path_factory):
    return rage(tmp_path_factory.mktemp("storm"), TIMES, SEED)


def test_the_service_lives_and_stops_in_order(storm):
    assert storm.status == 0
    assert "Traceback" not in storm.log
    for place in storm.bench.places:
        assert storm.rows("event", place)[-1]["state"] == "ok"


def test_a_hang_holds_its_bus_for_one_time_out_an_attempt(storm):
    assert not any(strike.waited_s for strike in storm.strikes if not strike.hangs)
    for recovery in recoveries(storm):
        if recovery.strike.hangs:
            count, _ = recovery.attempts()
            waited_s = recovery.strike.waited_s
            assert 0 < waited_s < (count + 0.5) * TIMEOUT_S, (recovery, count)


def test_nobody_loses_a_sample_by_a_fault_of_another(storm):
    lost = Counter()
    for place, loss, strikes in strange_losses(storm):
        # While a chip holds the clock nobody on its bus can be read.
        hangs = [s for s in strikes if s.hangs and s.place.bus == place.bus]
        assert hangs, (place, loss, strikes)
        lost[place, hangs[-1]] += loss.rows
    for (place, hang), rows in lost.items():
        # Whether a FIFO that is just full has lost a row nobody can tell.
        most = max(1, math.ceil(UNREAD_S * place.rate_hz) - place.holds)
        assert rows <= round(hang.waited_s / TIMEOUT_S) * most, (place, hang)


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
            became = [row["state"] for row in during]
            assert became[-1] == strike.ends_as, what
            assert set(became) <= set(fault.states), what
            assert len(became) <= 2, what  # a second one, for another reason
            for row in during:
                assert re.search(fault.says, row["detail"]), what
                assert "changes since" not in row["detail"], what


def test_a_clone_is_remarked_on_and_nothing_else_is(storm):
    for strike in storm.strikes:
        clone = strike.fault.end is put_clone_in
        for place in storm.bench.places:
            found = remarks(storm, place, strike)
            assert len(found) == (clone and place is strike.place), (strike, found)
            assert all("a clone or another chip" in each for each in found)


def test_the_others_are_told_nothing_of(storm):
    for strike in storm.strikes:
        for place in storm.bench.fast:
            if not strike.hits(place):
                became = {row["state"] for row in told(storm, place, strike)}
                held = strike.hangs and strike.place.bus == place.bus
                assert became <= ({"overrun", "ok"} if held else set()), strike


def test_a_slow_sensor_tells_of_nothing_but_what_hit_it(storm):
    for place in storm.bench.slow:
        for row in states(storm, place)[1:]:
            if row["state"] == "ok":
                continue
            late_ns = (2 * place.period_s + READ_S) * 1e9
            causes = [
                strike
                for strike in storm.strikes
                if strike.hits(place)
                and strike.begun_ns <= row["time_ns"] <= strike.ended_ns + late_ns
                and row["state"] in strike.fault.states
                and re.search(strike.fault.says, row["detail"])
            ]
            near = [s for s in storm.strikes if abs(s.ended_ns - row["time_ns"]) < 5e9]
            assert causes, (row["time_ns"], row["state"], row["detail"], near)


def test_sensors_are_back_within_the_wait_that_was_running(storm):
    for recovery in recoveries(storm):
        assert recovery.took_s <= recovery.allowed_s(), recovery


def test_every_window_that_is_scored_was_sampled_so_and_then(storm, figure):
    for place in storm.bench.fast:
        weights, truth = storm.weights[place.name], place.truth.whole()
        scored = [r for r in storm.rows("prediction", place) if r["state"] != "unknown"]
        off_ns = [
            off_by_ns(place, weights, truth, row, held_up_s(storm, place, row))
            for row in scored
        ]
        unlike = [row for row, off in zip(scored, off_ns, strict=True) if off is None]
        assert not unlike, (place.name, unlike)
        off_us = np.array(off_ns) / 1e3
        figure(
            f"{place.driver} at {place.rate_hz} Hz: {len(scored)} windows scored, each "
            f"of true samples in a row; times off by p99 "
            f"{np.percentile(off_us, 99):.0f} µs, largest {off_us.max():.0f} µs"
        )
        assert len(scored) > 50 * TIMES


def test_what_came_of_every_fault_is_a_table(storm, figure):
    lines = list(table(storm))
    assert len(lines) == 2 + len(FAULTS) + len(OUTAGES) + 1
    for line in lines:
        figure(line)

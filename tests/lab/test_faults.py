"""Every fault many times at random moments, and its effect on all sensors."""

from __future__ import annotations

import math
import os
import re
from collections import Counter

import numpy as np
import pytest
from fault_analysis import (
    READ_S,
    affected,
    events_during,
    neighbour_losses,
    recoveries,
    state_events,
    stretch_error_s,
    summary_table,
    time_error_ns,
    warnings_during,
)
from fault_run import run_with_faults
from faults import FAULTS, OUTAGES, insert_clone
from rig import TICK_S

from sensorml.acquisition.fifo_schedule import USUAL_S
from sensorml.buses.i2c_dev import TIMEOUT_S

pytestmark = pytest.mark.timeout(0)  # it would measure the guest's virtual time

TIMES = int(os.environ.get("SENSORML_LAB_FAULTS", "20"))
SEED = int(os.environ.get("SENSORML_LAB_SEED", "1"))

UNREAD_S = USUAL_S + TIMEOUT_S + TICK_S + 0.005
"""The longest that a FIFO is not read while another chip on its bus hangs."""


@pytest.fixture(scope="module")
def fault_run(tmp_path_factory):
    return run_with_faults(tmp_path_factory.mktemp("faults"), TIMES, SEED)


def test_the_service_survives_and_stops_cleanly(fault_run):
    assert fault_run.status == 0
    assert "Traceback" not in fault_run.log
    for slot in fault_run.rig.slots:
        assert fault_run.rows("event", slot)[-1]["state"] == "ok"


def test_a_hang_blocks_its_bus_for_one_timeout_per_attempt(fault_run):
    for injection in fault_run.injections:
        assert injection.hangs or not injection.waited_s
    for recovery in recoveries(fault_run):
        if recovery.injection.hangs:
            count, _ = recovery.attempts()
            waited_s = recovery.injection.waited_s
            assert 0 < waited_s < (count + 0.5) * TIMEOUT_S, (recovery, count)


def test_a_fault_costs_other_sensors_no_sample(fault_run):
    lost = Counter()
    for slot, loss, causes in neighbour_losses(fault_run):
        # While a chip holds the clock, no sensor on its bus can be read.
        hangs = [c for c in causes if c.hangs and c.slot.bus == slot.bus]
        assert hangs, (slot, loss, causes)
        lost[slot, hangs[-1]] += loss.rows
    for (slot, hang), rows in lost.items():
        # A FIFO that is exactly full may have lost one row, which it does not report.
        unread = math.ceil(UNREAD_S * slot.rate_hz)
        most = max(1, unread - slot.fifo_rows)
        if slot.ring and unread > slot.fifo_rows:
            most = unread
        assert rows <= round(hang.waited_s / TIMEOUT_S) * most, (slot, hang)


def test_every_fault_is_reported_once_with_its_reason(fault_run):
    for injection in fault_run.injections:
        fault = injection.fault
        for _, events in affected(fault_run, injection):
            what = f"{fault.name} at {injection.begun_ns / 1e9:.3f} s: {events}"
            if not events:
                assert not fault.always_reported, what
                continue
            *during, after = events
            assert after["state"] == "ok", what
            states = [row["state"] for row in during]
            assert states[-1] == injection.last_state, what
            assert set(states) <= set(fault.states), what
            assert len(states) <= 2, what  # a second one for another reason
            for row in during:
                assert re.search(fault.detail, row["detail"]), what
                assert "changes since" not in row["detail"], what


def test_only_a_clone_causes_a_warning(fault_run):
    for injection in fault_run.injections:
        clone = injection.fault.end is insert_clone
        for slot in fault_run.rig.slots:
            warnings = warnings_during(fault_run, slot, injection)
            assert len(warnings) == (clone and slot is injection.slot), injection
            assert all("a clone or another chip" in warning for warning in warnings)


def test_sensors_that_a_fault_does_not_affect_report_nothing(fault_run):
    for injection in fault_run.injections:
        for slot in fault_run.rig.fast:
            if not injection.affects(slot):
                events = events_during(fault_run, slot, injection)
                blocked = injection.hangs and injection.slot.bus == slot.bus
                allowed = {"overrun", "ok"} if blocked else set()
                assert {row["state"] for row in events} <= allowed, injection


def test_a_slow_sensor_reports_only_the_faults_that_affect_it(fault_run):
    for slot in fault_run.rig.slow:
        for row in state_events(fault_run, slot)[1:]:
            if row["state"] == "ok":
                continue
            late_ns = (2 * slot.period_s + READ_S) * 1e9
            causes = [
                injection
                for injection in fault_run.injections
                if injection.affects(slot)
                and injection.begun_ns <= row["time_ns"] <= injection.ended_ns + late_ns
                and row["state"] in injection.fault.states
                and re.search(injection.fault.detail, row["detail"])
            ]
            assert causes, (row["time_ns"], row["state"], row["detail"])


def test_sensors_return_within_the_running_wait_of_the_back_off(fault_run):
    for recovery in recoveries(fault_run):
        assert recovery.took_s <= recovery.allowed_s(), recovery


def test_every_scored_window_has_true_samples_and_times(fault_run, figure):
    for slot in fault_run.rig.fast:
        weights, truth = fault_run.weights[slot.name], slot.truth.whole()
        predictions = fault_run.rows("prediction", slot)
        scored = [row for row in predictions if row["state"] != "unknown"]
        errors_ns = [
            time_error_ns(
                slot, weights, truth, row, stretch_error_s(fault_run, slot, row)
            )
            for row in scored
        ]
        untrue = [row for row, e in zip(scored, errors_ns, strict=True) if e is None]
        assert not untrue, (slot.name, untrue)
        errors_us = np.array(errors_ns) / 1e3
        figure(
            f"{slot.driver} at {slot.rate_hz} Hz: {len(scored)} windows scored, each "
            f"of true consecutive samples; time error p99 "
            f"{np.percentile(errors_us, 99):.0f} µs, largest {errors_us.max():.0f} µs"
        )
        assert len(scored) > 50 * TIMES


def test_the_results_of_all_faults_are_a_table(fault_run, figure):
    lines = list(summary_table(fault_run))
    assert len(lines) == 2 + len(FAULTS) + len(OUTAGES) + 1
    for line in lines:
        figure(line)

"""An oscillator that drifts during a run: reported rate and times follow it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from fault_analysis import state_events, time_error_ns
from fault_run import run_service
from rig import Rig, all_slots

pytestmark = pytest.mark.timeout(0)  # it would measure the guest's virtual time

OVER_S, STEP_S = 60.0, 0.25
SETTLES_S = 60.0
RATE_ERROR_DRIFTING = 0.015
"""The largest error of the reported rate during a drift this fast, because the rate
is what was counted in the last seconds."""
RATE_ERROR_SETTLED = 0.002
"""The largest error a minute after the drift."""


# Within the rate that each data sheet allows.
@pytest.mark.parametrize(("name", "most"), [("fan", 0.04), ("saw", 0.015)])
def test_rate_and_times_follow_an_oscillator_that_drifts(name, most, tmp_path, figure):
    (slot,) = (slot for slot in all_slots() if slot.name == name)
    slot.rate_error = 0.0

    def drift():
        for share in np.linspace(0, 1, round(OVER_S / STEP_S)):
            slot.chip.converter.drift(most * share)
            time.sleep(STEP_S)
        time.sleep(SETTLES_S)
        return []

    run = run_service(Rig(1, [slot]), tmp_path, drift)
    assert run.status == 0
    assert [row["state"] for row in state_events(run, slot)] == ["ok"]

    truth = slot.truth.whole()
    reports = [row for row in run.rows("sensor", slot) if row["rows"]]
    errors = [r["rate_hz"] / true_rate_hz(truth[0], r["time_ns"]) - 1 for r in reports]
    drifted = true_rate_hz(truth[0], reports[-1]["time_ns"]) / slot.rate_hz - 1
    assert drifted == pytest.approx(most, abs=1e-4)
    assert len(reports) > (OVER_S + SETTLES_S) / 10 - 1
    assert np.abs(errors).max() < RATE_ERROR_DRIFTING
    assert abs(errors[-1]) < RATE_ERROR_SETTLED
    assert not any(row["missed"] for row in reports)

    predictions = run.rows("prediction", slot)
    windows = [row for row in predictions if row["state"] != "unknown"]
    weights = run.weights[name]
    errors_ns = [time_error_ns(slot, weights, truth, row) for row in windows]
    assert None not in errors_ns
    figure(
        f"{slot.driver} at {slot.rate_hz} Hz drifts by {most:.1%} in "
        f"{OVER_S:.0f} s: rate reported within {np.abs(errors).max():.1%}, "
        f"{SETTLES_S:.0f} s later within {abs(errors[-1]):.2%}; time error at most "
        f"{max(errors_ns) / 1e6:.1f} ms"
    )


def true_rate_hz(at_ns, end_ns):
    """Return the rate of the samples in the second before `end_ns`."""
    last, first = np.searchsorted(at_ns, (end_ns, end_ns - 10**9))
    return 1e9 / np.diff(at_ns[first:last]).mean()

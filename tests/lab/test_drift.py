"""An oscillator that drifts while the service runs: what is told of it follows."""

from __future__ import annotations

import time

import numpy as np
import pytest
from fault_analysis import off_by_ns, states
from fault_run import witnessed
from rig import Bench, everywhere

pytestmark = pytest.mark.timeout(0)  # it would count the guest's time

DRIFT = 0.04
OVER_S, STEP_S = 60.0, 0.25
SETTLES_S = 60.0
BEHIND = 0.015
"""How far the rate that is told may be behind while it drifts so fast: it is what
was counted in the last seconds."""
SETTLED = 0.002
"""And a minute later."""


@pytest.mark.parametrize("name", ["fan", "saw"])
def test_the_rate_and_the_times_follow_an_oscillator_that_drifts(
    name, tmp_path, figure
):
    (place,) = (place for place in everywhere() if place.name == name)
    place.rate_error = 0.0
    bench = Bench(1, [place])

    def warms_up():
        for share in np.linspace(0, 1, round(OVER_S / STEP_S)):
            place.chip.converter.drift(DRIFT * share)
            time.sleep(STEP_S)
        time.sleep(SETTLES_S)
        return []

    witness = witnessed(bench, tmp_path, warms_up)
    assert witness.status == 0
    assert [row["state"] for row in states(witness, place)] == ["ok"]

    truth = place.truth.whole()
    told = [row for row in witness.rows("sensor", place) if row["rows"]]
    off = [row["rate_hz"] / true_hz(truth[0], row["time_ns"]) - 1 for row in told]
    drifted = true_hz(truth[0], told[-1]["time_ns"]) / place.rate_hz - 1
    assert drifted == pytest.approx(DRIFT, abs=1e-4)
    assert len(told) > (OVER_S + SETTLES_S) / 10 - 1
    assert np.abs(off).max() < BEHIND
    assert abs(off[-1]) < SETTLED
    assert not any(row["missed"] for row in told)

    windows = [r for r in witness.rows("prediction", place) if r["state"] != "unknown"]
    weights = witness.weights[name]
    off_ns = [off_by_ns(place, weights, truth, row) for row in windows]
    assert None not in off_ns
    figure(
        f"{place.driver} at {place.rate_hz} Hz drifts by {DRIFT:.0%} in "
        f"{OVER_S:.0f} s: its rate is told within {np.abs(off).max():.1%}, "
        f"{SETTLES_S:.0f} s later within {abs(off[-1]):.2%}; times off by at most "
        f"{max(off_ns) / 1e6:.1f} ms"
    )


def true_hz(at_ns, by_ns):
    """Return the rate of the samples in the second before."""
    last, first = np.searchsorted(at_ns, (by_ns, by_ns - 10**9))
    return 1e9 / np.diff(at_ns[first:last]).mean()

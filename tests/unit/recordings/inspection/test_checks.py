"""Checks of recordings: each fault is found with its rows, healthy ones have none."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.recordings import from_array, read, spool
from sensorml.recordings.inspection.checks import Fault, check
from sensorml.recordings.inspection.statistics import Statistics

ROWS = 20_000


def tone(*, rate_hz=100.0, hz=13.0, decimals=5, seed=0):
    t_s = np.arange(ROWS) / rate_hz
    noise = np.random.default_rng(seed).normal(0, 0.05, ROWS)
    return np.round(np.sin(2 * np.pi * hz * t_s) + noise, decimals)


def faults(*columns, rate_hz=100.0):
    names = "xyz"[: len(columns)]
    recording = from_array(
        np.stack(columns, axis=1), rate_hz=rate_hz, channels=list(names)
    )
    return [(f.fault, "".join(f.channels), f.refused) for f in check(recording)]


@pytest.mark.parametrize("decimals", [1, 2, 5])
@pytest.mark.parametrize("hz", [0.5, 13.0, 49.0])
def test_a_tone_in_any_resolution_is_healthy(hz, decimals):
    assert faults(tone(hz=hz, decimals=decimals)) == []


def test_a_tone_without_noise_is_healthy():
    assert faults(np.sin(2 * np.pi * 0.13 * np.arange(ROWS))) == []
    assert faults(np.round(np.sin(2 * np.pi * 0.002 * np.arange(ROWS)), 2)) == []


@settings(max_examples=50)
@given(
    first=st.integers(0, ROWS - 300),
    rows=st.integers(210, 10_000),
    value=st.sampled_from([0.0, 0.5, -3.0]),
)
def test_a_channel_that_stands_still_is_found_with_its_rows(first, rows, value):
    x = tone()
    x[first : first + rows] = value
    [finding] = check(from_array(x[:, None], rate_hz=100.0))
    last = min(first + rows, ROWS)
    assert finding.fault is Fault.FROZEN
    assert finding.refused == (finding.share > 0.01)
    assert finding.rows == (first + 1, last)
    assert f"at {value:g} in rows {first + 1} to {last}" in finding.reason.what


def test_many_short_dropouts_are_added_up():
    x = tone()
    for first in range(0, ROWS, 500):
        x[first : first + 20] = 0.0
    [finding] = check(from_array(x[:, None], rate_hz=100.0))
    assert "in 40 stretches, 4 % of the recording" in finding.reason.what
    assert finding.refused


@pytest.mark.parametrize(("every", "rows"), [(100, 20), (50, 25), (20, 16)])
def test_a_loose_contact_is_found_in_many_short_stretches(every, rows):
    x = tone()
    for first in range(0, ROWS, every):
        x[first : first + rows] = 0.0
    assert faults(x) == [(Fault.FROZEN, "x", True)]


def test_a_machine_that_stops_is_healthy_although_the_sensor_then_moves_little():
    running = (np.arange(ROWS) // 4000) % 2
    noise = np.random.default_rng(2).normal(0, 0.0015, ROWS)
    x = np.round((tone() * running + noise) / 0.004) * 0.004
    assert faults(x) == []


@settings(max_examples=50)
@given(
    first=st.integers(0, ROWS - 600),
    rows=st.integers(600, 18_000),
    amplitude=st.sampled_from([1e-3, 1.0, 2000.0]),
    noise=st.sampled_from([0.005, 1e-3, 1e-6]),
)
def test_a_sensor_that_dies_into_noise_is_found_with_its_rows(
    first, rows, amplitude, noise
):
    x = tone(decimals=9) * amplitude
    stop = min(first + rows, ROWS)
    still = np.random.default_rng(1).normal(3, noise, stop - first)
    x[first:stop] = still * amplitude
    [finding] = check(from_array(x[:, None], rate_hz=100.0))
    assert finding.fault is Fault.QUIET
    assert finding.refused
    assert finding.rows[0] == pytest.approx(first + 1, abs=65)
    assert finding.rows[1] == pytest.approx(stop, abs=65)
    assert f"in rows {finding.rows[0]} to {finding.rows[1]}" in finding.reason.what


def test_a_slow_sensor_that_dies_into_noise_is_refused():
    random = np.random.default_rng(3)
    x = 20 + np.sin(np.arange(ROWS) / 300) + random.normal(0, 0.05, ROWS)
    assert faults(x, rate_hz=1.0) == []
    x[ROWS // 2 :] = 20 + random.normal(0, 1e-4, ROWS // 2)
    assert faults(x, rate_hz=1.0) == [(Fault.QUIET, "x", True)]


def test_a_quiet_machine_with_some_impulses_is_healthy():
    random = np.random.default_rng(4)
    x = random.normal(0, 0.001, ROWS)
    for at in random.integers(0, ROWS - 200, 200):
        x[at : at + 200] += random.normal(0, 1.0, 200)
    assert faults(x) == []


def test_a_slow_process_that_often_rests_at_zero_is_a_warning():
    random = np.random.default_rng(0)
    flow = np.where(np.sin(np.arange(ROWS) / 400) > 0, 5 + random.normal(size=ROWS), 0)
    assert faults(flow, rate_hz=1.0) == [(Fault.FROZEN, "x", False)]
    flow[ROWS // 2 :] = 4.0  # and then it stops anywhere
    assert faults(flow, rate_hz=1.0) == [(Fault.FROZEN, "x", True)]


@pytest.mark.parametrize("rate_hz", [200.0, 1000.0, 5000.0])
def test_a_signal_that_is_long_at_full_scale_is_clipped_and_not_frozen(rate_hz):
    assert faults(np.clip(tone(rate_hz=rate_hz), -0.7, 0.7), rate_hz=rate_hz) == [
        (Fault.CLIPPED, "x", True)
    ]


def test_less_than_one_per_cent_is_a_warning():
    x = tone()
    x[5000:5100] = 0.0
    assert faults(x) == [(Fault.FROZEN, "x", False)]


def test_a_value_that_is_held_for_some_rows_is_healthy():
    assert faults(np.repeat(tone(), 10)) == []


def test_a_dead_channel_is_named_and_the_others_are_not():
    assert faults(tone(), np.full(ROWS, 7.0), tone(seed=1)) == [(Fault.DEAD, "y", True)]


def test_channels_with_the_same_fault_are_one_finding():
    assert faults(np.zeros(ROWS), tone(), np.zeros(ROWS)) == [(Fault.DEAD, "xz", True)]


@pytest.mark.parametrize("share", [0.8, 0.99])
def test_a_signal_that_is_cut_off_is_clipped(share):
    x = np.random.default_rng(0).normal(size=ROWS)
    cut_off = float(np.quantile(x, share)) if share < 0.9 else 2.0
    assert faults(np.minimum(x, cut_off)) == [(Fault.CLIPPED, "x", True)]
    assert faults(np.clip(x, -cut_off, cut_off)) == [(Fault.CLIPPED, "x", True)]


def test_a_slow_process_may_rest_at_its_ends():
    humidity = np.minimum(99 + np.random.default_rng(0).normal(size=ROWS), 100)
    assert faults(humidity, rate_hz=1.0) == []


def test_a_switch_is_not_clipped():
    assert faults(np.random.default_rng(0).integers(0, 2, ROWS)) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_is_refused(sign):
    assert faults(sign * np.arange(ROWS) * 0.01) == [(Fault.MONOTONIC, "x", True)]


def test_a_counter_that_starts_again_is_refused():
    assert faults(np.arange(ROWS) % 7000) == [(Fault.MONOTONIC, "x", True)]


def test_a_channel_in_coarse_steps_beside_a_fine_one_is_refused():
    drift = np.sin(np.arange(ROWS) / 3000)
    noise = np.random.default_rng(1).normal(0, 0.005, ROWS)
    temperature = np.round(21 + drift + noise, 1)
    assert faults(tone(), temperature) == [(Fault.STEPS, "y", True)]
    assert faults(temperature) == []
    assert faults(tone(rate_hz=1.0, hz=0.13), temperature, rate_hz=1.0) == []


def test_rows_at_the_full_scale_of_the_file_are_clipped(tmp_path):
    from sensorml import write_npz

    counts = (10_000 * tone()).astype(np.int16)[:, None]
    counts[[500, 900]] = 32767  # too few to be seen in the samples alone
    write_npz(
        tmp_path / "x.npz",
        samples=counts,
        rate_hz=100,
        channels=["x"],
        unit="g",
        start_ns=0,
    )
    [finding] = check(read(tmp_path / "x.npz"))
    assert finding.fault is Fault.CLIPPED
    assert not finding.refused
    assert "is at full scale in 0.01 % of the rows, first in row 501" in finding.what


def test_statistics_do_not_depend_on_the_blocks(monkeypatch):
    x = np.stack((tone(decimals=1), np.repeat(tone()[: ROWS // 4], 4)), axis=1)
    x = x.astype(np.float32)
    expected = Statistics(x)
    monkeypatch.setattr(spool, "PIECE", 777)
    found = Statistics(x)
    assert found.longest_usual_run == expected.longest_usual_run
    for a, b in zip(found.channels, expected.channels, strict=True):
        assert (a.low, a.high, a.rises, a.falls) == (b.low, b.high, b.rises, b.falls)
        assert a.frozen == b.frozen
        assert a.levels.quiet(slow=False) == b.levels.quiet(slow=False)
        assert a.mean == pytest.approx(b.mean)
        assert a.level == pytest.approx(b.level)
    assert found.channels[1].level == pytest.approx(float(x[:, 1].std()), rel=1e-5)


@pytest.mark.data
def test_real_recordings_of_healthy_machines_are_not_refused():
    if "SENSORML_DATA" not in os.environ:
        pytest.skip("SENSORML_DATA does not name a folder of recordings")
    folder = Path(os.environ["SENSORML_DATA"])
    axes = ("accel_x", "accel_y", "accel_z")
    files = dict.fromkeys(folder.glob("treeguard/*.csv.gz"), axes)
    files |= dict.fromkeys([*folder.glob("skab/*/*.csv"), *folder.glob("nab/*.csv")])
    assert len(files) > 60
    for path, names in files.items():
        found = check(read(path, channels=names))
        labels = {"anomaly", "changepoint"}
        assert not [f for f in found if f.refused and not labels & set(f.channels)]
    with np.load(folder / "ceiling_fan" / "ceiling_fan_msa301_200hz_int16.npz") as fan:
        for name in ("off_0", "low_0", "med_0", "low_1", "med_1"):
            samples = fan[name].reshape(-1, 3)
            assert check(from_array(samples, rate_hz=200.0)) == ()

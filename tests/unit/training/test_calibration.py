"""Objections to a threshold: the window, its time and its channel are named."""

import numpy as np
import pytest

from sensorml.errors import TrainingError
from sensorml.recordings import write_npz
from sensorml.training import autoencoder
from sensorml.training.train import train

RATE_HZ = 100.0
ROWS = 30_000
JANUARY_2026_NS = 1_767_225_600 * 10**9


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(autoencoder, "STEPS", 300)


def shaking(rows=ROWS, *, amplitude=0.1, seed=0):
    random = np.random.default_rng(seed)
    tone = amplitude * np.sin(2 * np.pi * 13 * np.arange(rows) / RATE_HZ)
    x = 0.01 * random.standard_normal((rows, 2)) + tone[:, None]
    return x.astype(np.float32)


def recording(folder, samples, start_ns=0):
    path = folder / "normal.npz"
    write_npz(
        path,
        samples=samples,
        rate_hz=RATE_HZ,
        channels=["x", "y"],
        unit="g",
        start_ns=start_ns,
    )
    return path


def warnings(path, out, **options):
    found = []
    train([path], out, window=128, warn=found.append, **options)
    return found


def test_a_healthy_recording_has_no_objection(tmp_path):
    path = recording(tmp_path, shaking())
    assert warnings(path, tmp_path / "model") == []


def test_knocks_that_set_the_threshold_are_refused_with_window_time_and_channel(
    tmp_path,
):
    samples = shaking()
    random = np.random.default_rng(1)
    samples[28_000:28_640, 1] += 1000 * random.standard_normal(640)
    path = recording(tmp_path, samples)
    with pytest.raises(TrainingError, match=r"normal\.npz: the threshold would be "):
        train([path], tmp_path / "model", window=128)
    [warning] = warnings(path, tmp_path / "model", force=True)
    assert "times the median score" in warning
    assert "mostly channel 'y'" in warning
    first = int(warning.partition("(rows ")[2].split(" ")[0])
    assert 27_872 < first <= 28_640
    assert f" at {(first - 1) / RATE_HZ:g} s (rows" in warning
    assert warning.endswith(": trained all the same, by force")


def test_the_time_of_a_window_is_in_utc_where_the_recording_has_times(tmp_path):
    samples = shaking()
    samples[28_000:28_640, 1] *= 1000
    path = recording(tmp_path, samples, JANUARY_2026_NS)
    [warning] = warnings(path, tmp_path / "model", force=True)
    assert " at 2026-01-01 00:04:" in warning


def test_a_last_third_in_another_state_is_refused(tmp_path):
    samples = np.concatenate((shaking(20_000), shaking(10_000, amplitude=5.0)))
    path = recording(tmp_path, samples)
    with pytest.raises(TrainingError, match=r"its last third has .* times the median"):
        train([path], tmp_path / "model", window=128)
    trained = train([path], tmp_path / "model", window=128, force=True)
    [forced] = trained.card.provenance.forced
    assert forced.startswith("normal.npz: its last third has ")


def test_few_windows_that_are_alike_are_a_warning_at_most(tmp_path):
    path = recording(tmp_path, shaking(2_100))
    trained = train([path], tmp_path / "model", window=128)
    assert trained.fitted < 25
    assert trained.card.provenance.forced == ()


def test_frozen_windows_are_not_learnt(tmp_path):
    samples = shaking()
    samples[:10_000] = samples[0]
    path = recording(tmp_path, samples)
    trained = train([path], tmp_path / "model", window=128, force=True)
    windows = trained.fitted + trained.calibrated
    assert windows == pytest.approx((20_000 - 128) / 64, abs=3)
    assert trained.card.baseline.level[0] == pytest.approx(0.071, abs=0.002)

"""Means of features, in the units of the sensor."""

from __future__ import annotations

import numpy as np
import pytest
from support import card

from sensorml.pipeline.extractor import Signal, extractor
from sensorml.pipeline.feature_means import FeatureMeans
from sensorml.pipeline.features import envelope, log_spectrum, raw, statistics

RATE_HZ = 800.0
WINDOW = 512


def tone(frequency_hz: float, amplitude: float) -> np.ndarray:
    """Return one window of one channel with a tone."""
    t = np.arange(WINDOW) / RATE_HZ
    samples = amplitude * np.sin(2 * np.pi * frequency_hz * t)
    return samples.astype(np.float32)[None, None, :]


def added(spec, *windows, channels=("x",)):
    """Return the means after windows (1, channels, rows) were added."""
    subject = card(
        channels=len(channels),
        rate_hz=RATE_HZ,
        window=WINDOW,
        hop=WINDOW,
        features=spec,
    )
    means = FeatureMeans(subject)
    compute = extractor(spec, subject.signal)
    for window in windows:
        means.add(compute(window, window.mean(axis=2)))
    return means


def test_a_tone_has_its_power_in_the_band_of_its_frequency() -> None:
    spec = log_spectrum.Features(bands=16, floor=1e-12)
    measured = added(spec, tone(112.5, 2.0)).take()
    quantity, level_db = max(measured, key=lambda one: one.value)
    assert quantity.low_hz < 112.5 < quantity.high_hz
    assert quantity.unit == "dB"
    assert level_db == pytest.approx(10 * np.log10(2.0), abs=0.1)  # amplitude²/2


def test_powers_are_averaged_and_not_levels() -> None:
    spec = log_spectrum.Features(bands=16, floor=1e-12)
    means = added(spec, tone(112.5, 2.0), tone(112.5, 1e-3))
    loudest = max(one.value for one in means.take())
    assert loudest == pytest.approx(0.0, abs=0.1)  # half of 2 unit²


def test_the_card_s_standardisation_does_not_change_a_level() -> None:
    plain = log_spectrum.Features(bands=4, floor=1e-12)
    scaled = log_spectrum.Features(
        bands=4, floor=1e-12, mean=(-3.0,) * 4, std=(0.5,) * 4
    )
    levels = [
        [m.value for m in added(s, tone(50.0, 1.0)).take()] for s in (plain, scaled)
    ]
    assert levels[0] == pytest.approx(levels[1], abs=1e-3)


def test_the_channels_of_a_band_are_added() -> None:
    spec = log_spectrum.Features(bands=8, floor=1e-12)
    one = tone(100.0, 1.0)
    both = np.concatenate([one, one], axis=1)
    single = max(m.value for m in added(spec, one).take())
    double = max(m.value for m in added(spec, both, channels=("x", "y")).take())
    assert double - single == pytest.approx(10 * np.log10(2), abs=0.01)


def test_statistics_are_named_by_channel_and_have_the_sensor_s_unit() -> None:
    spec = statistics.Features(values=("rms", "kurtosis"))
    both = np.concatenate([tone(100.0, 1.0), tone(112.5, 2.0)], axis=1)
    measured = added(spec, both, channels=("x", "y")).take()
    named = {quantity.name: (quantity.unit, value) for quantity, value in measured}
    assert list(named) == ["x rms", "x kurtosis", "y rms", "y kurtosis"]
    assert named["y rms"] == ("g", pytest.approx(2 / np.sqrt(2), rel=1e-3))
    assert named["x kurtosis"][0] == "1"


def test_means_begin_again_after_they_are_taken() -> None:
    means = added(statistics.Features(values=("rms",)), tone(100.0, 1.0))
    assert len(means.take()) == 1
    assert means.take() == []


def test_samples_as_features_are_not_shown() -> None:
    assert added(raw.Features(), tone(100.0, 1.0)).take() == []


def test_the_bands_of_an_envelope_reach_from_zero_to_its_limit() -> None:
    spec = envelope.Features(
        bands=8, carrier_low_hz=160.0, carrier_high_hz=360.0, high_hz=80.0
    )
    quantities = spec.quantities(Signal(1, WINDOW, RATE_HZ, "g"), ("x",))
    assert len(quantities) == 8
    assert quantities[0].low_hz == pytest.approx(0.5 * RATE_HZ / WINDOW)
    assert quantities[-1].high_hz == pytest.approx(80.0, abs=RATE_HZ / WINDOW)
    names = [quantity.name for quantity in quantities]
    assert names == sorted(names)

"""Features against SciPy's own computations in double precision."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.signal
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from sensorml.errors import ModelError
from sensorml.pipeline.extractor import FeatureSpec, Signal, extractor
from sensorml.pipeline.features.envelope import Features as Envelope
from sensorml.pipeline.features.log_spectrum import Features as LogSpectrum
from sensorml.pipeline.features.raw import Features as Raw
from sensorml.pipeline.features.statistics import Features as Statistics
from sensorml.pipeline.spectra import band_edges, hann
from sensorml.types import Float32

G = 9806.65
"""mm/s² in one g."""


def compute(
    spec: FeatureSpec, windows: object, *, rate_hz: float = 1000.0, unit: str = "g"
) -> Float32:
    data = np.asarray(windows, np.float32)
    _, channels, window = data.shape
    extract = extractor(spec, Signal(channels, window, rate_hz, unit))
    features = extract(data, data.mean(axis=2))
    assert features.shape == (len(data), extract.size)
    assert features.dtype == np.float32
    return features


def noise(*shape: int, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).normal(0.3, 1, shape).astype(np.float32)


def sine(amplitude: float, hz: float, *, window: int, rate_hz: float) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(window) / rate_hz)


def bin_powers(x: np.ndarray) -> np.ndarray:
    """Mean-square per bin of a Hann-windowed signal, by SciPy."""
    _, density = scipy.signal.periodogram(x, fs=len(x), window="hann", detrend=False)
    return density


def in_bands(powers: np.ndarray, edges: np.ndarray, floor: float) -> np.ndarray:
    bands = [powers[a:b].sum() for a, b in pairwise(edges)]
    return np.log(np.array(bands) + floor)


@pytest.mark.parametrize("window", [64, 65, 512])
def test_a_log_spectrum_is_scipys_periodogram_in_bands(window: int) -> None:
    windows = noise(3, 2, window)
    spec = LogSpectrum(bands=10, low_hz=50, high_hz=400)
    edges = band_edges(10, 50, 400, window=window, rate_hz=1000)
    for got, x in zip(compute(spec, windows), windows.astype(float), strict=True):
        expected = [
            in_bands(bin_powers(channel - channel.mean()), edges, spec.floor)
            for channel in x
        ]
        np.testing.assert_allclose(got, np.concatenate(expected), atol=2e-4)


@pytest.mark.parametrize("window", [128, 129])
def test_the_bands_of_a_spectrum_add_up_to_the_mean_square(window: int) -> None:
    x = noise(5, 1, window)
    power = np.exp(compute(LogSpectrum(bands=16), x).astype(float)).sum(axis=1)
    taper = hann(window).astype(float)
    ac = x[:, 0].astype(float) - x[:, 0].mean(axis=1, keepdims=True)
    square = np.square(ac * taper).sum(axis=1) / np.square(taper).sum()
    dc = np.square((ac * taper).sum(axis=1)) / (window * np.square(taper).sum())
    np.testing.assert_allclose(power, square - dc, rtol=1e-4)


@pytest.mark.parametrize("window", [256, 1024])
def test_a_sine_has_the_same_power_in_any_length_of_window(window: int) -> None:
    x = sine(2.0, 125, window=window, rate_hz=1000)[None, None]
    power = np.exp(compute(LogSpectrum(bands=4), x)[0]).sum()
    assert power == pytest.approx(2.0**2 / 2, rel=1e-4)


@pytest.mark.parametrize("window", [256, 257])
def test_an_envelope_spectrum_is_the_spectrum_of_scipys_hilbert_envelope(
    window: int,
) -> None:
    windows = noise(2, 2, window)
    spec = Envelope(bands=8, carrier_low_hz=200, carrier_high_hz=400, high_hz=150)
    edges = band_edges(8, 0, 150, window=window, rate_hz=1000)
    low, high = (round(hz * window / 1000) for hz in (200, 400))
    for got, x in zip(compute(spec, windows), windows.astype(float), strict=True):
        expected = []
        for channel in x:
            spectrum = np.fft.rfft(channel - channel.mean())
            spectrum[:low] = spectrum[high + 1 :] = 0
            band = np.fft.irfft(spectrum, window)
            envelope = np.abs(scipy.signal.hilbert(band))
            powers = bin_powers(envelope - envelope.mean())
            expected.append(in_bands(powers, edges, spec.floor))
        np.testing.assert_allclose(got, np.concatenate(expected), atol=2e-3)


def test_an_envelope_spectrum_shows_the_rhythm_of_a_modulated_carrier() -> None:
    window, rate_hz = 1000, 1000.0
    beat = 1 + 0.5 * sine(1, 25, window=window, rate_hz=rate_hz)
    x = beat * sine(1, 300, window=window, rate_hz=rate_hz)
    spec = Envelope(bands=10, carrier_low_hz=200, carrier_high_hz=400, high_hz=100)
    bands = compute(spec, x[None, None], rate_hz=rate_hz)[0]
    assert bands.argmax() == 2  # 20 to 30 Hz
    assert np.exp(bands[2]) == pytest.approx(0.5**2 / 2, rel=0.01)


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 3))
def test_statistics_are_those_of_scipy(seed: int, n: int, channels: int) -> None:
    windows = np.random.default_rng(seed).gamma(2, 1, (n, channels, 50))
    names = ("rms", "peak", "peak_to_peak", "crest_factor", "kurtosis", "skew")
    got = compute(Statistics(values=names), windows).reshape(n, channels, len(names))
    x = windows - windows.mean(axis=2, keepdims=True)
    rms = x.std(axis=2)
    peak = np.abs(x).max(axis=2)
    expected = [
        rms,
        peak,
        np.ptp(x, axis=2),
        peak / rms,
        scipy.stats.kurtosis(x, axis=2, fisher=False),
        scipy.stats.skew(x, axis=2),
    ]
    np.testing.assert_allclose(got, np.stack(expected, axis=-1), rtol=1e-3, atol=1e-4)


def test_statistics_come_in_the_order_of_the_card() -> None:
    x = noise(1, 2, 50)
    forth = compute(Statistics(values=("rms", "peak")), x)[0]
    back = compute(Statistics(values=("peak", "rms")), x)[0]
    assert forth.tolist() == back[[1, 0, 3, 2]].tolist()


def test_the_ratios_of_a_channel_at_rest_are_zero() -> None:
    spec = Statistics(values=("rms", "crest_factor", "kurtosis", "skew"))
    assert compute(spec, np.full((1, 1, 16), 9.81))[0] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_the_shape_of_a_signal_does_not_depend_on_its_unit(scale: float) -> None:
    spec = Statistics(values=("crest_factor", "kurtosis", "skew"))
    x = noise(1, 1, 200)
    x -= x.mean()
    np.testing.assert_allclose(compute(spec, x * scale), compute(spec, x), rtol=1e-3)


@pytest.mark.parametrize("hz", [16.0, 50.0, 160.0, 950.0])
def test_velocity_rms_of_a_sine_is_its_integral_in_mm_per_s(hz: float) -> None:
    x = sine(0.5, hz, window=8192, rate_hz=4096)[None, None]
    [[velocity]] = compute(Statistics(values=("velocity_rms",)), x, rate_hz=4096)
    assert velocity == pytest.approx(0.5 * G / (2 * np.pi * hz) / np.sqrt(2), rel=0.01)


def test_velocities_of_several_sines_add_up_as_powers() -> None:
    parts = [(0.1, 25.0), (0.5, 200.0), (1.0, 800.0)]
    x = sum(sine(a, hz, window=8192, rate_hz=4096) for a, hz in parts)[None, None]
    [[velocity]] = compute(Statistics(values=("velocity_rms",)), x, rate_hz=4096)
    square = sum((a * G / (2 * np.pi * hz)) ** 2 / 2 for a, hz in parts)
    assert velocity == pytest.approx(np.sqrt(square), rel=0.01)


@pytest.mark.parametrize("hz", [4.0, 9.0, 1010.0, 2000.0])
def test_energy_outside_10_to_1000_hz_is_left_out(hz: float) -> None:
    x = sine(1.0, hz, window=8192, rate_hz=4096)[None, None]
    [[velocity]] = compute(Statistics(values=("velocity_rms",)), x, rate_hz=4096)
    assert velocity < 0.02


@pytest.mark.parametrize(("unit", "factor"), [("m/s^2", 9.80665), ("m/s²", 9.80665)])
def test_velocity_does_not_depend_on_the_unit_of_acceleration(unit, factor) -> None:
    spec, x = Statistics(values=("velocity_rms",)), noise(2, 2, 256)
    in_g = compute(spec, x)
    np.testing.assert_allclose(compute(spec, x * factor, unit=unit), in_g, rtol=1e-4)


def test_raw_windows_are_laid_out_as_time_by_channel() -> None:
    [row] = compute(Raw(remove_dc=False), [[[1, 2, 3], [10, 20, 30]]])
    assert row.tolist() == [1, 10, 2, 20, 3, 30]
    [row] = compute(Raw(), [[[1, 2, 3], [10, 20, 30]]])
    assert row.tolist() == [-1, -10, 0, 0, 1, 10]


def test_raw_features_never_alias_the_ring() -> None:
    windows = noise(1, 1, 8)
    features = compute(Raw(remove_dc=False), windows)
    assert not np.shares_memory(features, windows)


def test_features_are_standardised_by_the_numbers_of_the_card() -> None:
    spec = Raw(remove_dc=False, mean=(1, 2), std=(2, 4))  # one pair per channel
    assert compute(spec, [[[3, 5], [10, 6]]]).tolist() == [[1, 2, 2, 1]]


ALL = [
    Raw(mean=(0.5,), std=(2.0,)),
    LogSpectrum(bands=12, mean=(-3.0,), std=(2.0,)),
    Envelope(bands=8, carrier_low_hz=100, carrier_high_hz=400, high_hz=200),
    Statistics(),
]


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.__struct_config__.tag)
def test_a_windows_features_do_not_depend_on_its_batch(spec: FeatureSpec) -> None:
    windows = noise(9, 3, 128)
    together = compute(spec, windows)
    alone = np.concatenate([compute(spec, windows[i : i + 1]) for i in range(9)])
    np.testing.assert_allclose(together, alone, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.__struct_config__.tag)
def test_the_samples_are_not_touched(spec: FeatureSpec) -> None:
    windows = noise(2, 2, 128)
    windows.flags.writeable = False
    before = windows.copy()
    compute(spec, windows)
    assert (windows == before).all()


@given(st.integers(1, 24), st.integers(130, 2048), st.floats(0, 300))
def test_bands_have_at_least_one_bin_each_and_never_the_dc(bands, window, low_hz):
    edges = band_edges(bands, low_hz, 500.0, window=window, rate_hz=1000.0)
    widths = np.diff(edges)
    assert edges[0] >= 1
    assert edges[-1] == window // 2 + 1
    assert widths.min() >= 1
    assert widths.max() - widths.min() <= 1


@pytest.mark.parametrize(
    ("spec", "key", "words"),
    [
        (LogSpectrum(bands=65), "features.bands", "use fewer bands"),
        (LogSpectrum(bands=4, low_hz=600), "features.bands", "0 bins"),
        (
            Envelope(carrier_low_hz=300, carrier_high_hz=200, high_hz=100),
            "features.carrier_low_hz",
            "is empty",
        ),
        (
            Envelope(carrier_low_hz=600, carrier_high_hz=700, high_hz=100),
            "features.carrier_low_hz",
            "within 0 and 500 Hz",
        ),
        (
            Envelope(carrier_low_hz=100, carrier_high_hz=400, high_hz=10),
            "features.bands",
            "longer window",
        ),
        (LogSpectrum(bands=4, mean=(1, 2, 3)), "features.mean", "3 numbers for 4"),
        (LogSpectrum(bands=4, std=(1, 2, 3)), "features.std", "3 numbers for 4"),
        (LogSpectrum(bands=2, std=(1, 0)), "features.std", "not above 0"),
        (LogSpectrum(bands=2, std=(1, float("nan"))), "features.std", "not above 0"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_by_their_key(spec, key, words) -> None:
    with pytest.raises(ModelError, match=words) as refused:
        extractor(spec, Signal(1, 128, 1000.0, "g"))
    assert str(refused.value).startswith(f"{key}: ")


@pytest.mark.parametrize(
    ("rate_hz", "unit", "words"),
    [(1000.0, "V", "the unit is 'V'"), (8.0, "g", "use a longer window")],
)
def test_velocity_needs_acceleration_and_its_frequencies(rate_hz, unit, words) -> None:
    with pytest.raises(ModelError, match=words):
        extractor(Statistics(), Signal(1, 128, rate_hz, unit))

"""The simulated machine: its spectrum, and that it is a function of time."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, hilbert, sosfiltfilt

from sensorml.sim.machine import RAMP_S, Machine, MachineOptions, bearing_orders

RATE_HZ = 800.0
SHAFT_HZ = 1480 / 60


def seconds(count, start=0.0):
    return start + np.arange(round(count * RATE_HZ)) / RATE_HZ


def amplitudes(signal, rate_hz=RATE_HZ):
    window = np.hanning(len(signal))
    scale = 2 / window.sum()
    spectrum = np.abs(np.fft.rfft((signal - signal.mean()) * window)) * scale
    return np.fft.rfftfreq(len(signal), 1 / rate_hz), spectrum


def envelope_spectrum(fault):
    """Of a sensor fast enough to hear the housing ring, shaft and all."""
    rate_hz = 3200.0
    machine = Machine(MachineOptions(fault=fault, resonance_hz=900.0))
    z = machine.acceleration(RAMP_S + np.arange(30 * 3200) / rate_hz)[:, 2]
    band = butter(4, (600, 1200), "bandpass", fs=rate_hz, output="sos")
    return amplitudes(np.abs(hilbert(sosfiltfilt(band, z))), rate_hz)


def peak_near(frequencies, spectrum, hz, width=1.0):
    near = np.abs(frequencies - hz) <= width
    return spectrum[near].max()


def loudest(frequencies, spectrum, low_hz, high_hz):
    band = (frequencies >= low_hz) & (frequencies <= high_hz)
    return frequencies[band][spectrum[band].argmax()]


@settings(max_examples=40, deadline=None)
@given(
    fault=st.sampled_from(["none", "inner", "outer", "unbalance"]),
    seed=st.integers(-(2**63), 2**63),
    cuts=st.lists(st.integers(0, 300), max_size=8),
)
def test_the_samples_do_not_depend_on_how_the_times_are_cut(fault, seed, cuts):
    machine = Machine(MachineOptions(fault=fault, seed=seed))
    times = seconds(300 / RATE_HZ, start=3.0)
    whole = machine.acceleration(times)
    again = Machine(MachineOptions(fault=fault, seed=seed))
    parts = [again.acceleration(part) for part in np.split(times, sorted(cuts))]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-12)


def test_another_seed_is_another_machine():
    times = seconds(1)
    one = Machine(MachineOptions(seed=1)).acceleration(times)
    other = Machine(MachineOptions(seed=2)).acceleration(times)
    assert np.abs(one - other).max() > 0.05


def test_the_shaft_shows_at_its_harmonics_with_the_given_amplitudes():
    options = MachineOptions(drift=0.0, noise_g=0.0, harmonics=(0.3, 0.1, 0.05))
    z = Machine(options).acceleration(seconds(20))[:, 2]
    frequencies, spectrum = amplitudes(z)
    for order, amplitude in enumerate(options.harmonics, start=1):
        peak = peak_near(frequencies, spectrum, order * SHAFT_HZ, 0.1)
        assert peak == pytest.approx(amplitude, rel=0.15)
    quiet = np.abs(frequencies - SHAFT_HZ * 4) < 2
    assert spectrum[quiet].max() < 0.001


def test_gravity_is_the_mean_and_noise_the_spread():
    options = MachineOptions(harmonics=(), noise_g=0.02, gravity=(0.6, 0.0, -0.8))
    samples = Machine(options).acceleration(seconds(20))
    assert samples.mean(axis=0) == pytest.approx((0.6, 0.0, -0.8), abs=0.001)
    assert samples.std(axis=0) == pytest.approx((0.02, 0.02, 0.02), rel=0.05)
    assert np.abs(np.corrcoef(samples.T) - np.eye(3)).max() < 0.03


def test_noise_is_white():
    samples = Machine(MachineOptions(harmonics=())).acceleration(seconds(40))
    z = samples[:, 2] - samples[:, 2].mean()
    correlation = [float(z[k:] @ z[:-k] / (z @ z)) for k in range(1, 50)]
    assert np.abs(correlation).max() < 0.03


OUTER_HZ, INNER_HZ = (order * SHAFT_HZ for order in bearing_orders(MachineOptions()))


@pytest.mark.parametrize(
    ("fault", "expected", "other"),
    [("outer", OUTER_HZ, INNER_HZ), ("inner", INNER_HZ, OUTER_HZ)],
)
def test_the_envelope_spectrum_finds_the_broken_race(fault, expected, other):
    frequencies, spectrum = envelope_spectrum(fault)
    assert loudest(frequencies, spectrum, 60, 180) == pytest.approx(expected, rel=0.005)
    found = peak_near(frequencies, spectrum, expected)
    assert found > 5 * peak_near(frequencies, spectrum, other)


def test_only_the_inner_race_is_modulated_by_the_shaft():
    def sideband(fault, line_hz):
        frequencies, spectrum = envelope_spectrum(fault)
        beside = peak_near(frequencies, spectrum, line_hz - SHAFT_HZ)
        return beside / peak_near(frequencies, spectrum, line_hz)

    assert sideband("inner", INNER_HZ) > 0.2
    assert sideband("outer", OUTER_HZ) < 0.1


def test_an_800_hz_sensor_sees_the_outer_race_without_an_envelope():
    times = seconds(30, RAMP_S)
    _, healthy = amplitudes(Machine(MachineOptions()).acceleration(times)[:, 2])
    broken = Machine(MachineOptions(fault="outer")).acceleration(times)[:, 2]
    frequencies, spectrum = amplitudes(broken)
    for order in (1, 2, 3, 4):
        line = peak_near(frequencies, spectrum, order * OUTER_HZ)
        assert line > 10 * peak_near(frequencies, healthy, order * OUTER_HZ)


def test_a_fault_comes_when_it_should_and_grows():
    broken = Machine(MachineOptions(fault="outer", fault_after_s=12.0))
    healthy = Machine(MachineOptions())

    def added(start):
        times = seconds(0.5, start)
        return (broken.acceleration(times) - healthy.acceleration(times)).std()

    assert added(11.5) == 0.0
    assert 0 < added(12.1) < added(12.7) < added(12 + RAMP_S)
    assert added(12 + RAMP_S) == pytest.approx(added(60.0), rel=0.1)


def test_unbalance_adds_to_the_shaft_and_to_nothing_else():
    quiet = {"noise_g": 0.0, "drift": 0.0, "harmonics": ()}
    samples = Machine(MachineOptions(fault="unbalance", **quiet)).acceleration(
        seconds(20, RAMP_S)
    )
    frequencies, spectrum = amplitudes(samples[:, 2])
    assert peak_near(frequencies, spectrum, SHAFT_HZ, 0.1) == pytest.approx(
        0.5, rel=0.15
    )
    assert spectrum[np.abs(frequencies - SHAFT_HZ) > 1].max() < 0.001


def test_a_healthy_machine_is_the_same_later_on():
    machine = Machine(MachineOptions())
    levels = [machine.acceleration(seconds(5, at)).std(axis=0) for at in (0, 100, 3600)]
    assert np.ptp(levels, axis=0).max() < 0.03 * np.max(levels)


def test_the_speed_swings_by_the_given_share():
    machine = Machine(MachineOptions(drift=0.02, noise_g=0.0, harmonics=(1.0,)))
    speeds = []
    for start in range(0, 70, 2):
        frequencies, spectrum = amplitudes(
            machine.acceleration(seconds(2, start))[:, 2]
        )
        near = np.abs(frequencies - SHAFT_HZ) < 2
        weight = spectrum[near] ** 2
        speeds.append((frequencies[near] * weight).sum() / weight.sum())
    assert (max(speeds) - min(speeds)) / 2 == pytest.approx(0.02 * SHAFT_HZ, rel=0.15)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rpm": 0},
        {"fault": "gear"},
        {"damping": 0.0},
        {"slip": 0.5},
        {"gravity": [0, 1]},
        {"rpms": 1480},
    ],
)
def test_impossible_machines_are_refused(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, MachineOptions)


def test_a_ball_larger_than_its_circle_is_refused():
    with pytest.raises(ValueError, match="pitch_mm = 5"):
        MachineOptions(ball_mm=8.0, pitch_mm=5.0)

"""Counted pulses, over a simulated line and a simulated clock."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

import msgspec
import pytest
from gpiozero.pins.mock import MockPin
from hypothesis import given
from hypothesis import strategies as st
from support import Clock

from sensorml.drivers import pulse
from sensorml.drivers.pulse import Pulse, decode
from sensorml.errors import BusError
from sensorml.gpio.factory import factory
from sensorml.types import Channel


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    monkeypatch.setattr("gpiozero.pins.mock.monotonic", lambda: 1.7e9)  # not ours
    factory.cache_clear()
    yield
    factory.cache_clear()


class Wheel:
    """A magnet that passes a Hall sensor on GPIO 5."""

    def __init__(self, *measure: str, **options: object) -> None:
        self.clock = Clock()
        self.options = pulse.Options(gpio=5, measure=measure or ("rate",), **options)
        self.driver = pulse.Driver(self.options, self.clock)
        self.driver.start()

    @property
    def pin(self) -> MockPin:
        return factory().pin(5)

    def pulses(self, count: int, period_s: float) -> None:
        for _ in range(count):
            self.clock.advance(period_s)
            self.pin.drive_low()
            self.pin.drive_high()

    def row(self, after_s: float = 0.0) -> list[float]:
        self.clock.advance(after_s)
        return self.driver.read().samples[0].tolist()


def test_the_rate_is_that_of_the_periods_however_many_fit_into_a_row() -> None:
    wheel = Wheel("rate", "count")
    for count in (7, 7, 8):
        wheel.pulses(count, 0.14)
        assert wheel.row() == [pytest.approx(1 / 0.14), count]


def test_a_tachometer_gives_turns_a_minute() -> None:
    wheel = Wheel(pulses_per_turn=2)
    wheel.pulses(50, 0.02)
    assert wheel.row() == [pytest.approx(1500.0)]


def test_uneven_periods_are_jitter() -> None:
    wheel = Wheel("jitter")
    wheel.pulses(20, 0.05)
    assert wheel.row() == [pytest.approx(0.0, abs=1e-6)]
    for _ in range(10):
        wheel.pulses(1, 0.04)
        wheel.pulses(1, 0.06)
    assert wheel.row() == [pytest.approx(0.2)]
    wheel.pulses(1, 0.5)
    assert wheel.row() == [0.0]  # one period has nothing to differ from


def test_a_computer_that_is_late_is_no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = Wheel("rate", "jitter")
    late_s = cycle((0.001, 0.02, 0.008))
    monkeypatch.setattr("gpiozero.pins.mock.monotonic", lambda: wheel.kernels_s)
    for n in range(20):
        wheel.kernels_s = 1000 + 0.05 * n
        wheel.clock.now_ns = round((wheel.kernels_s + next(late_s)) * 1e9)
        wheel.pin.drive_low()
        wheel.pin.drive_high()
    assert wheel.row() == [pytest.approx(20.0), pytest.approx(0.0, abs=1e-6)]


def test_a_wheel_that_slows_down_is_seen_before_the_next_pulse() -> None:
    wheel = Wheel("rate", "count", still_after_s=4.0)
    wheel.pulses(10, 0.1)
    assert wheel.row()[0] == pytest.approx(10.0)
    assert wheel.row(after_s=1.0) == [pytest.approx(1.0), 0.0]
    assert wheel.row(after_s=1.0) == [pytest.approx(0.5), 0.0]
    assert wheel.row(after_s=2.5) == [0.0, 0.0]


def test_a_wheel_that_stands_still_from_the_start_is_a_zero_and_no_error() -> None:
    wheel = Wheel("rate", "count", "jitter")
    assert wheel.row(after_s=1.0) == [0.0, 0.0, 0.0]
    wheel.pulses(1, 0.1)
    assert wheel.row() == [0.0, 1.0, 0.0]  # one pulse has no period


def test_a_standstill_is_no_period_of_what_comes_after_it() -> None:
    wheel = Wheel("rate", "count", "jitter")
    wheel.pulses(10, 0.1)
    wheel.row()
    assert wheel.row(after_s=3600.0) == [0.0, 0.0, 0.0]
    wheel.pulses(10, 0.01)
    assert wheel.row() == [pytest.approx(100.0), 10.0, pytest.approx(0.0, abs=1e-6)]


@pytest.mark.parametrize("active", ["high", "low"])
def test_a_pulse_counts_once_whichever_level_it_goes_to(active: str) -> None:
    wheel = Wheel("count", active=active)
    wheel.pulses(5, 0.1)
    assert wheel.row() == [5.0]


def test_of_too_many_pulses_all_are_counted_and_the_newest_give_the_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulse, "MAX_PULSES", 8)
    wheel = Wheel("rate", "count")
    wheel.pulses(1, 0.1)
    wheel.row()
    wheel.pulses(20, 0.01)
    assert wheel.row() == [pytest.approx(100.0), 20.0]


def test_rows_are_those_of_the_period_and_what_is_left_out_is_missed() -> None:
    wheel = Wheel(rate_hz=2.0)
    block = wheel.driver.read()
    assert (block.rate_hz, block.start_ns) == (2.0, wheel.clock.now_ns)
    wheel.clock.advance(2.0)
    assert wheel.driver.read().missed == 3


def test_a_line_that_cannot_be_read_is_an_error_and_no_standstill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wheel = Wheel()

    def fail(_pin: MockPin) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(MockPin, "_get_state", fail)
    with pytest.raises(BusError, match="GPIO 5"):
        wheel.row()


def test_a_stopped_driver_lets_go_of_the_line_and_starts_from_nothing() -> None:
    wheel = Wheel("count")
    wheel.pulses(3, 0.1)
    wheel.driver.stop()
    wheel.driver.stop()
    with pytest.raises(BusError, match="not started"):
        wheel.driver.read()
    wheel.driver.start()
    assert wheel.row() == [0.0]


def test_a_start_that_failed_can_be_stopped() -> None:
    driver = pulse.Driver(pulse.Options(gpio="nowhere"))
    with pytest.raises(BusError, match="nowhere"):
        driver.start()
    driver.stop()


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40), st.integers(0, 39))
def test_wherever_the_rows_are_cut_no_period_is_lost(
    periods: list[int], cut: int
) -> None:
    times = [sum(periods[: i + 1]) for i in range(len(periods))]
    pulses = [Pulse(i + 2, at) for i, at in enumerate(times)]
    first = Pulse(1, 0)
    one, other = pulses[:cut], pulses[cut:]
    still = 10**10
    trains = [
        decode(one, first, still),
        decode(other, one[-1] if one else first, still),
    ]
    assert sum(train.pulses for train in trains) == len(periods)
    elapsed = sum(t.pulses * 1e9 / t.rate_hz for t in trains if t.pulses)
    assert elapsed == pytest.approx(sum(periods))


def test_the_channels_have_names_and_units() -> None:
    assert [*pulse.channels(pulse.Options(gpio=5))] == [Channel("rate", "Hz")]
    tachometer = pulse.Options(gpio=5, pulses_per_turn=1, measure=("count", "rate"))
    assert [*pulse.channels(tachometer)] == [
        Channel("count", ""),
        Channel("rate", "rpm"),
    ]
    assert tachometer.thread == "gpio"


@pytest.mark.parametrize(
    "wrong", [{"measure": []}, {"pulses_per_turn": 0}, {"measure": ["speed"]}]
)
def test_impossible_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"gpio": 5, **wrong}, pulse.Options)

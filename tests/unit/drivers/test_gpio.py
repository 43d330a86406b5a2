"""The contact driver, over a simulated line and a simulated clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec
import pytest
from gpiozero.pins.mock import MockPin
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.drivers import gpio
from sensorml.errors import BusError, UnsettledError
from sensorml.gpio import lines as bus
from sensorml.gpio.factory import factory
from sensorml.types import Block, Channel

MS = 1_000_000


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    monkeypatch.setattr("gpiozero.pins.mock.monotonic", lambda: 1.7e9)  # not ours
    factory.cache_clear()
    yield
    factory.cache_clear()


class Door:
    """A contact on GPIO 5, its driver and the time."""

    def __init__(self, **options: object) -> None:
        self.now_ns = 1_000 * MS
        keys = gpio.Options(gpio=5, pull="down", **options)
        self.driver = gpio.Driver(keys, clock=lambda: self.now_ns)
        self.driver.start()

    @property
    def pin(self) -> MockPin:
        return factory().pin(5)

    def set(self, level: bool, after_ms: int = 0) -> None:
        """Change the level."""
        self.now_ns += after_ms * MS
        (self.pin.drive_high if level else self.pin.drive_low)()

    def read(self, after_ms: int = 50) -> tuple[float, int]:
        """Return the level and the time of the next row, in ms since the start."""
        block = self.block(after_ms)
        return float(block.samples[0, 0]), block.start_ns // MS - 1_000

    def block(self, after_ms: int = 50) -> Block:
        self.now_ns += after_ms * MS
        block = self.driver.read()
        assert block is not None
        return block


def test_the_level_is_read_at_once_after_start() -> None:
    assert Door(bounce_s=0).read(after_ms=0) == (0.0, 0)


def test_a_line_that_was_active_before_the_start_is_seen() -> None:
    door = Door()
    door.driver.stop()
    factory().pin(5).pull = "up"
    assert Door(active="low", bounce_s=0).read(after_ms=0) == (1.0, 0)


def test_a_quiet_line_yields_a_row_every_period() -> None:
    door = Door()
    block = door.block()
    assert block.samples.shape == (1, 1)
    assert block.rate_hz == pytest.approx(1 / door.driver.period_s) == 20.0
    assert (block.missed, len(block.clipped)) == (0, 0)


def test_a_row_is_of_the_time_up_to_which_its_level_is_certain() -> None:
    door = Door(bounce_s=0.02)
    block = door.block()
    assert (block.start_ns, block.age_ns) == (1_030 * MS, 20 * MS)


@pytest.mark.parametrize("bounce_s", [0.0, 0.02])
def test_a_change_has_the_time_of_its_edge(bounce_s: float) -> None:
    door = Door(bounce_s=bounce_s)
    door.read()
    door.set(True, after_ms=13)
    block = door.block(after_ms=37)
    assert block.samples[0, 0] == 1.0
    assert block.start_ns == 1_063 * MS
    assert block.age_ns == 37 * MS


def test_an_edge_whose_level_a_read_met_first_has_its_own_time() -> None:
    door = Door(bounce_s=0.02)
    door.read()
    door.pin._state = True  # not reported yet
    assert door.read(after_ms=15) == (0.0, 45)
    door.pin._last_change = 1.060
    door.pin._call_when_changed()
    assert door.read() == (1.0, 60)


def test_an_edge_that_is_reported_late_has_the_kernels_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door = Door(bounce_s=0)
    door.read()
    monkeypatch.setattr(
        "gpiozero.pins.mock.monotonic", lambda: (door.now_ns - 4 * MS) / 1e9
    )
    door.set(True, after_ms=13)
    assert door.read() == (1.0, 59)


def test_a_pulse_between_two_reads_is_returned_with_the_times_of_its_edges() -> None:
    door = Door(bounce_s=0.02)
    door.read()
    door.set(True, after_ms=5)
    door.set(False, after_ms=30)
    assert [door.read(after_ms=15), door.read(), door.read()] == [
        (1.0, 55),
        (0.0, 85),
        (0.0, 180),
    ]


def test_a_level_without_an_edge_is_accepted_when_it_lasts() -> None:
    door = Door(bounce_s=0.02)
    door.read()
    door.pin._state = True  # the edge was lost
    assert door.read()[0] == 0.0
    assert door.read(after_ms=10)[0] == 0.0
    assert door.read(after_ms=10)[0] == 1.0


def test_a_bounce_that_a_read_happens_to_meet_is_not_believed() -> None:
    door = Door(bounce_s=0.02)
    door.read()
    door.pin._state = True
    assert door.read()[0] == 0.0
    door.pin._state = False
    assert door.read()[0] == 0.0
    door.pin._state = True
    assert door.read(after_ms=30)[0] == 0.0


def test_there_is_no_row_before_a_level_has_lasted() -> None:
    door = Door(bounce_s=0.08)
    door.now_ns += 50 * MS
    assert door.driver.read() is None
    assert door.read() == (0.0, 20)


def hum(door: Door, for_ms: int, half_ms: int = 10) -> list[float]:
    """Read a line with hum; return the levels, -1.0 for none."""
    levels = []
    for ms in range(half_ms, for_ms, half_ms):
        door.set(ms // half_ms % 2 == 1, after_ms=half_ms)
        if ms % 50 == 0:
            with suppress(UnsettledError):
                levels.append(door.read(after_ms=0)[0])
                continue
            levels.append(-1.0)
    return levels


def test_hum_is_no_change_and_after_a_while_a_disturbance() -> None:
    door = Door()
    door.read()
    levels = hum(door, 5_000)
    assert levels == [0.0] * 11 + [-1.0] * 88


def test_a_disturbed_line_has_a_level_again_when_one_has_lasted() -> None:
    door = Door()
    door.read()
    hum(door, 2_000)
    door.set(True)
    edge_ms = door.now_ns // MS - 1_000
    door.now_ns += 49 * MS
    cause = r"GPIO 5 is disturbed, no level lasts 0\.05 s: check the wiring"
    with pytest.raises(UnsettledError, match=cause):
        door.driver.read()
    assert door.read(after_ms=1) == (1.0, edge_ms)


def test_without_debouncing_the_level_that_is_read_counts() -> None:
    door = Door(bounce_s=0.0)
    door.pin._state = True
    assert door.read()[0] == 1.0


def test_active_low_turns_the_level_round() -> None:
    door = Door(active="low")
    assert door.read()[0] == 1.0
    door.set(True)
    assert door.read()[0] == 0.0


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("level"), st.booleans(), st.integers(1, 200)),
            st.tuples(st.just("read"), st.just(False), st.integers(1, 200)),
        ),
        max_size=60,
    )
)
def test_after_any_edges_time_increases_and_the_last_level_is_returned(
    moves: list[tuple[str, bool, int]],
) -> None:
    factory.cache_clear()
    door = Door(bounce_s=0)
    rows = [door.read()]
    seen = level = False
    for what, new_level, after_ms in moves:
        if what == "level":
            seen = seen or new_level != level
            level = new_level
            door.set(new_level, after_ms)
        else:
            rows.append(door.read(after_ms))
    rows += [door.read() for _ in range(3)]
    times = [at for _, at in rows]
    assert times == sorted(set(times))
    assert rows[-1][0] == float(level)
    assert (len({value for value, _ in rows}) == 2) == seen


def test_a_line_that_cannot_be_read_is_an_error_and_never_a_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door = Door()

    def fail(_pin: MockPin) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(MockPin, "_get_state", fail)
    with pytest.raises(BusError, match="GPIO 5"):
        door.read()


def test_a_stopped_driver_lets_go_of_the_line_and_starts_again() -> None:
    door = Door()
    door.driver.stop()
    door.driver.stop()
    with pytest.raises(BusError, match="not started"):
        door.driver.read()
    bus.open_output(5, active="high", initial=False).close(False)
    door.driver.start()
    assert door.read()[0] == 0.0


def test_a_start_that_failed_can_be_stopped() -> None:
    driver = gpio.Driver(gpio.Options(gpio="nowhere"))
    with pytest.raises(BusError, match="nowhere"):
        driver.start()
    driver.stop()


def test_one_channel_and_one_thread_for_all_lines() -> None:
    one, other = gpio.Options(gpio=5), gpio.Options(gpio="BOARD11", pull="none")
    assert gpio.channels(one) == (Channel("level", unit=""),)
    assert one.thread == other.thread


def test_an_impossible_bounce_time_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"gpio": 5, "bounce_s": -1}, gpio.Options)

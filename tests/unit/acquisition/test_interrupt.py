"""One interrupt line: which of its edges tell something, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest
from gpiozero.pins.mock import MockFactory
from hypothesis import given
from hypothesis import strategies as st
from support import MS, Clock

from sensorml.acquisition.interrupt import MAX_EDGES, Interrupt
from sensorml.acquisition.sample_clock import Edge
from sensorml.buses.i2c import InterruptOptions
from sensorml.errors import BusError
from sensorml.gpio import factory as gpiopins
from sensorml.gpio import lines as gpio
from sensorml.gpio.names import LineName


@pytest.fixture(autouse=True)
def pins(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    gpiopins.factory.cache_clear()
    yield gpiopins.factory()
    gpiopins.factory.cache_clear()


class Line:
    """An interrupt of 9 rows, and what its callback is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: str) -> None:
        self.clock = Clock(10**15)
        self.rung = 0
        self.is_open = False
        self.on_rise: Callable[[float], None] | None = None
        monkeypatch.setattr(gpio, "open_interrupt", self.open)
        self.interrupt = Interrupt(25, 9, self.clock, **options)
        self.interrupt.listen(self.ring)
        self.interrupt.open()

    def open(self, line: LineName, on_rise: Callable[[float], None]) -> Line:
        assert line == 25
        self.on_rise, self.is_open = on_rise, True
        return self

    def close(self) -> None:
        self.is_open = False

    def ring(self) -> None:
        self.rung += 1

    def rise(self, at_ms: float, told_after_ms: float = 0.1) -> None:
        """Rise so long from now; time goes on to when it is told."""
        at_s = (self.clock.now_ns + at_ms * MS) / 1e9
        self.clock.advance((at_ms + told_after_ms) / 1e3)
        self.on_rise(at_s)

    def read(self, rows: int = 9, *, drain_ms: float = 3) -> Edge | None:
        """Take what it told, as a driver does when it has drained the FIFO."""
        began = self.clock.now_ns
        self.clock.advance(0.0001)
        ended = self.clock.now_ns
        self.clock.advance(drain_ms / 1e3)
        return self.interrupt.take(rows, began, ended)


def test_an_edge_wakes_and_has_the_kernels_time(monkeypatch) -> None:
    line = Line(monkeypatch)
    rose_ns = line.clock.now_ns + 11 * MS
    line.rise(11, told_after_ms=2)
    assert line.rung == 1
    assert line.read() == Edge(9, pytest.approx(rose_ns, abs=200))
    assert line.read() is None


@pytest.mark.parametrize("tick_s", [0.0, 5.0, 1.7e9])
def test_a_time_by_another_clock_is_that_of_the_callback(monkeypatch, tick_s) -> None:
    line = Line(monkeypatch)
    line.clock.advance(0.011)
    now = line.clock.now_ns
    line.on_rise(tick_s)
    assert line.read() == Edge(9, now)


def test_of_several_edges_the_first_counts_and_rings(monkeypatch) -> None:
    line = Line(monkeypatch)
    first = line.clock.now_ns + 5 * MS
    for _ in range(3):
        line.rise(5)
    assert line.rung == 1
    assert line.read().at_ns == pytest.approx(first, abs=200)


def test_an_edge_while_the_fifo_is_read_is_ignored(
    monkeypatch,
) -> None:
    line = Line(monkeypatch)
    line.read()
    amid_ns = line.clock.now_ns - MS
    line.on_rise(amid_ns / 1e9)  # told late
    assert line.rung == 0
    line.clock.advance(0.01)
    assert line.read() is None


def test_an_edge_before_the_rows_were_there_is_a_disturbance(monkeypatch) -> None:
    line = Line(monkeypatch)
    line.rise(2)
    assert line.read(rows=8) is None
    line.rise(11)
    assert line.read(rows=9) is not None


def test_a_latched_line_may_rise_while_the_fifo_is_drained(monkeypatch) -> None:
    line = Line(monkeypatch, rises="after status")
    began = line.clock.now_ns
    ended = began + MS // 10
    line.clock.now_ns = ended
    line.rise(0.9)
    assert line.rung == 0, "it is not yet time to read"
    assert line.interrupt.take(60, began, ended) is None
    line.clock.advance(0.05)
    assert line.read(60) == Edge(9, pytest.approx(ended + 0.9 * MS, abs=200))


def test_a_line_that_chatters_is_closed_and_logged(monkeypatch, caplog) -> None:
    line = Line(monkeypatch)
    for _ in range(10 * MAX_EDGES):
        line.rise(0.01, told_after_ms=0)
    assert line.rung == 1
    assert line.read() is None
    assert not line.is_open
    assert "more than 64 edges since the last read" in caplog.text
    line.interrupt.open()
    assert line.is_open


def test_a_line_in_use_is_logged_once_and_is_no_failure(
    pins: MockFactory, caplog
) -> None:
    other = gpio.open_input(25, on_change=lambda *_edge: None)
    interrupt = Interrupt(25, 9, Clock(10**15))
    interrupt.open()
    interrupt.open()
    assert interrupt.take(9, 0, 1) is None
    [told] = caplog.messages
    assert told.endswith("until then the sensor is read on schedule")
    other.close()
    interrupt.open()
    assert pins.pin(25).edges == "rising"


def test_no_line_is_never_opened_and_tells_nothing() -> None:
    interrupt = Interrupt(None, 9, Clock())
    interrupt.open()
    assert (interrupt.wired, interrupt.wakes) == (False, False)
    assert interrupt.take(9, 0, 1) is None
    interrupt.close()


@given(st.lists(st.tuples(st.floats(0.05, 20), st.integers(0, 20)), max_size=40))
def test_whatever_happens_an_edge_lies_between_two_reads(steps) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        line = Line(monkeypatch)
        last_ns = line.clock.now_ns
        for wait_ms, rows in steps:
            line.rise(wait_ms)
            began_ns = line.clock.now_ns
            edge = line.read(rows)
            assert (edge is not None) == (rows >= 9)
            if edge is not None:
                assert last_ns <= edge.at_ns <= began_ns
            last_ns = line.clock.now_ns


def test_it_listens_to_the_pin_itself(pins: MockFactory) -> None:
    clock, rung = Clock(10**15), []
    interrupt = Interrupt("GPIO25", 9, clock)
    interrupt.listen(lambda: rung.append(clock()))
    interrupt.open()
    pin = pins.pin(25)
    assert (pin.pull, pin.edges) == ("down", "rising")
    clock.advance(1)
    pin.drive_high()
    pin.drive_low()
    assert rung == [clock()]
    with pytest.raises(BusError):
        gpio.open_input(25, on_change=lambda *_edge: None)
    interrupt.close()
    pin.drive_high()
    assert len(rung) == 1


def test_a_simulated_chip_has_no_pin() -> None:
    with pytest.raises(msgspec.ValidationError, match="remove interrupt_gpio"):
        msgspec.convert(
            {"bus": "sim", "address": 0x53, "interrupt_gpio": 25}, InterruptOptions
        )
    table = {"bus": 1, "address": 0x53, "interrupt_gpio": "BOARD22"}
    assert msgspec.convert(table, InterruptOptions).interrupt_gpio == "BOARD22"

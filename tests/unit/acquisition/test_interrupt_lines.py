"""Driver, simulated chip and interrupt line together, over a clock that is told.

Time passes where it does on a Raspberry Pi: on the wire, at 400 kHz, and until a
thread runs again.
"""

from __future__ import annotations

import importlib
import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from sensorml.buses.i2c import I2cConnection
from sensorml.gpio import lines as gpio
from sensorml.sim.bus import SimBus
from sensorml.sim.machine import Machine, MachineOptions
from sensorml.types import Block

US = 1_000
BEGIN_NS = 10**15

WATERMARKED = ["adxl343", "adxl345", "adxl355", "adxl372", "kx134", "lis3dh"]
LATCHED = ["icm20948", "mpu6050", "mpu6500", "mpu9250"]


def module(name: str):
    return importlib.import_module(f"sensorml.drivers.{name}")


class FakeLine:
    """A GPIO line: what is wired to it makes it rise."""

    def __init__(self, on_rise: Callable[[float], None]) -> None:
        self.on_rise = on_rise
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


class SlowBus(SimBus):
    """A bus at 400 kHz: a transfer takes the time of its bits."""

    def __init__(self, chips, bench: Bench) -> None:
        super().__init__(chips)
        self._bench = bench

    def transfer(self, address, messages):
        before = self.wire_bytes
        self._bench.pass_us(15, 25)
        answer = super().transfer(address, messages)
        self._bench.pass_us((self.wire_bytes - before) * 9 * 2.5, 0)
        self._bench.pass_us(10, 20)
        return answer


class Bench:
    """One sensor, its line and a bus thread that is late now and then."""

    def __init__(
        self, monkeypatch, name, *, rate_error=0.0, wired=True, seed=0, **options
    ) -> None:
        self.now_ns = BEGIN_NS
        self.random = random.Random(seed)
        self.lines: list[FakeLine] = []
        self.told: dict[int, float] = {}  # what callbacks have yet to say, by when
        self.lost_share = 0.0
        self.ticks = True
        self.reads = 0
        self.blocks: list[Block] = []
        self.offs_ns: list[float] = []  # of every block, the worse of its ends
        self.first: int | None = None
        self.edge_ns = 0
        self.rung = False
        monkeypatch.setattr(gpio, "open_interrupt", self.open_line)
        driver = module(name)
        line = {"interrupt_gpio": 25} if wired else {}
        self.options = driver.Options(**line, **options)
        chip = importlib.import_module(f"sensorml.sim.chips.{name}").Chip
        coarse = name == "adxl372"  # a count is 0.1 g
        self.machine = Machine(MachineOptions(noise_g=2.0 if coarse else 0.012))
        self.error_g = 0.05 if coarse else 0.012
        self.chip = chip(self.machine, self.clock, rate_error=rate_error)
        self.bus = SlowBus({self.options.address: self.chip}, self)
        self.driver = driver.Driver(self.options, self.connect, self.clock)
        self.driver.interrupt.listen(self.ring)

    def clock(self) -> int:
        return self.now_ns

    def connect(self, options, chip):
        return I2cConnection(self.bus, options, chip)

    def open_line(self, line, on_rise):
        assert line == 25
        self.lines.append(FakeLine(on_rise))
        return self.lines[-1]

    def ring(self) -> None:
        self.rung = True

    def pass_us(self, least_us: float, most_us: float) -> None:
        """Let time pass; what happens meanwhile happens."""
        us = self.random.uniform(least_us, max(least_us, most_us))
        self.pass_until(self.now_ns + round(us * US), lambda: False)

    def pass_until(self, until_ns: int, stop: Callable[[], bool]) -> None:
        """Let the line rise, and its callback run later, as they become due."""
        while not stop():
            rise_ns, told_ns = self.next_rise_ns(), min(self.told, default=until_ns + 1)
            if min(rise_ns, told_ns) > until_ns:
                self.now_ns = max(self.now_ns, until_ns)
                return
            if told_ns <= rise_ns:
                self.now_ns = max(self.now_ns, told_ns)
                self.lines[-1].on_rise(self.told.pop(told_ns))
            else:
                self.rise(round(rise_ns))

    def next_rise_ns(self) -> float:
        if not self.lines or not self.lines[-1].is_open:
            return math.inf
        rise_ns = self.chip.interrupt_ns()
        return math.inf if rise_ns is None or rise_ns <= self.edge_ns else rise_ns

    def rise(self, at_ns: int) -> None:
        """Report it later, with the kernel's time of it or none."""
        self.edge_ns = at_ns
        if self.random.random() < self.lost_share:
            return
        tick_ns = at_ns + round(self.random.expovariate(1 / 15) * US)
        told_ns = tick_ns + round(self.random.uniform(50, 2000) * US)
        self.told[told_ns] = tick_ns / 1e9 if self.ticks else 0.0

    def run(self, seconds: float) -> list[Block]:
        """Visit the driver as its bus thread would; returns the new blocks."""
        end_ns = self.now_ns + round(seconds * 1e9)
        new: list[Block] = []
        due_ns = self.now_ns
        while self.now_ns < end_ns:
            due_ns = max(due_ns + round(self.driver.period_s * 1e9), self.now_ns)
            self.pass_until(due_ns, lambda: self.rung)
            if self.rung:
                due_ns = self.now_ns
            busy = self.random.random() < 0.3
            self.pass_us(*((100, 3000) if busy else (50, 200)))
            self.reads += 1
            block = self.driver.read()
            self.rung = False
            if block is not None:
                self.check(block)
                new.append(block)
        self.blocks += new
        return new

    def check(self, block: Block) -> None:
        """Note how far the times of a block are from the truth."""
        rows = len(block.samples)
        if self.first is None:
            self.first = self.number_of(block.samples[0])
        self.first += block.missed
        truth = self.chip.converter.times_ns(self.first, self.first + rows)
        self.first += rows
        told = block.start_ns + np.arange(rows) * 1e9 / block.rate_hz
        self.offs_ns.append(float(np.abs(told - truth).max()))

    def number_of(self, sample) -> int:
        """Return which of the chip's first samples this is: noise tells."""
        converter = self.chip.converter
        since_s = (converter.times_ns(0, 100) - converter.born_ns) / 1e9
        off = np.abs(self.machine.acceleration(since_s) - sample).max(axis=1)
        assert off.min() < self.error_g
        return int(np.argmin(off))

    def p99_us(self, since_s: float) -> float:
        begun = BEGIN_NS + since_s * 1e9
        offs = [
            off
            for off, block in zip(self.offs_ns, self.blocks, strict=True)
            if block.start_ns > begun
        ]
        return float(np.percentile(offs, 99)) / US

    def rate_ppm(self) -> float:
        """Return how far the last rate is from the truth."""
        first, last = self.chip.converter.times_ns(0, 10**6 + 1)[[0, -1]]
        return (self.blocks[-1].rate_hz * (last - first) / 1e15 - 1) * 1e6


def bench(monkeypatch, name, **options) -> Bench:
    made = Bench(monkeypatch, name, **options)
    made.driver.start()
    return made


@pytest.mark.parametrize("error", [-0.04, 0.013, 0.04])
@pytest.mark.parametrize(
    ("name", "options"), [("mpu6050", {"rate_hz": 1000}), ("adxl345", {"rate_hz": 800})]
)
def test_without_a_line_times_are_right_within_200_us_and_the_rate_within_50_ppm(
    monkeypatch, name, options, error
) -> None:
    busy = bench(monkeypatch, name, rate_error=error, wired=False, **options)
    busy.run(61)
    assert busy.p99_us(since_s=1) < 200
    assert abs(busy.rate_ppm()) < 50
    assert sum(block.missed for block in busy.blocks) == 0


@pytest.mark.parametrize("name", WATERMARKED + LATCHED)
def test_with_a_line_times_are_right_within_100_us(monkeypatch, name) -> None:
    wired = bench(monkeypatch, name, rate_error=-0.03)
    wired.run(12)
    assert wired.p99_us(since_s=5) < 100
    assert abs(wired.rate_ppm()) < 50
    assert sum(block.missed for block in wired.blocks) == 0


@pytest.mark.parametrize("ticks", [True, False])
@pytest.mark.parametrize(
    ("name", "rate_hz"), [("adxl345", 25), ("lis3dh", 100), ("adxl345", 800)]
)
def test_a_line_makes_times_no_worse(monkeypatch, name, rate_hz, ticks) -> None:
    plain, wired = (
        bench(monkeypatch, name, rate_error=0.04, wired=wired, rate_hz=rate_hz)
        for wired in (False, True)
    )
    wired.ticks, wired.lost_share = ticks, 0.1
    plain.run(20)
    wired.run(20)
    assert wired.p99_us(since_s=5) < max(100, 1.1 * plain.p99_us(since_s=5))


@pytest.mark.parametrize("name", WATERMARKED)
def test_the_sensor_is_read_when_its_line_rises(monkeypatch, name) -> None:
    wired = bench(monkeypatch, name)
    wired.run(2)
    rows = {len(block.samples) for block in wired.blocks[1:]}
    assert min(rows) >= wired.driver.interrupt.rows
    assert all(block.missed == 0 for block in wired.blocks)


@pytest.mark.parametrize("lost_share", [0.0, 1.0])
@pytest.mark.parametrize(("rows", "rate_hz"), [(5, 400), (24, 400), (24, 25)])
@pytest.mark.parametrize("name", ["adxl343", "adxl345", "kx134", "lis3dh"])
def test_fifo_rows_is_the_watermark_and_a_silent_line_costs_no_sample(
    monkeypatch, name, rows, rate_hz, lost_share
) -> None:
    wired = bench(monkeypatch, name, rate_error=0.04, rate_hz=rate_hz, fifo_rows=rows)
    wired.lost_share = lost_share
    wired.run(20 * rows / rate_hz)
    sizes = [len(block.samples) for block in wired.blocks]
    assert min(sizes) >= rows
    assert np.mean(sizes) < (1.6 * rows + 3 if lost_share else rows + 2)
    assert all(block.missed == 0 for block in wired.blocks)


@pytest.mark.parametrize("name", LATCHED)
def test_data_ready_tells_the_time_and_leaves_the_schedule(monkeypatch, name) -> None:
    plain, wired = bench(monkeypatch, name, wired=False), bench(monkeypatch, name)
    assert wired.driver.period_s == plain.driver.period_s
    wired.run(2)
    assert wired.reads == pytest.approx(2 / wired.driver.period_s, rel=0.05)


@pytest.mark.parametrize("name", WATERMARKED + LATCHED)
def test_a_line_that_is_cut_is_logged_once_and_costs_no_sample(
    monkeypatch, name, caplog
) -> None:
    wired = bench(monkeypatch, name)
    wired.run(2)
    assert not caplog.records
    wired.lost_share = 1.0
    wired.run(3)
    [told] = caplog.messages
    assert told == (
        "GPIO 25: the interrupt line is silent while samples come, so the sensor is "
        "read on schedule: check that its INT (INT1) pin is wired to this line"
    )
    assert all(block.missed == 0 for block in wired.blocks)
    wired.driver.start()
    wired.run(1)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", WATERMARKED + LATCHED)
def test_the_line_is_open_from_start_to_stop(monkeypatch, name) -> None:
    wired = bench(monkeypatch, name)
    wired.driver.start()
    assert [line.is_open for line in wired.lines] == [False, True]
    wired.driver.stop()
    assert [line.is_open for line in wired.lines] == [False, False]


@pytest.mark.parametrize("name", WATERMARKED + LATCHED)
def test_a_pin_that_is_not_wired_stays_low(monkeypatch, name) -> None:
    plain = bench(monkeypatch, name, wired=False)
    plain.run(0.2)
    assert plain.chip.interrupt_ns() is None
    assert plain.lines == []

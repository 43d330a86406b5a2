"""The contract of real chips and lines that are wired to this computer.

The tests run on simulated chips and lines unless `--hardware FILE` describes real ones.
"""

import importlib
import math
import time
from contextlib import ExitStack

import numpy as np
import pytest
import wired
from gpiozero.pins.mock import MockConnectedPin, MockPin
from simulated_bus import SimulatedBus, SimulatedSelect

from sensorml import plugins
from sensorml.acquisition.self_test import SelfTestModule
from sensorml.alarms import wiring
from sensorml.alarms.logic import Signal
from sensorml.alarms.timer import LineTimer
from sensorml.buses.spi import ChipSelectOptions
from sensorml.config.tables import Alarm
from sensorml.errors import BusError
from sensorml.gpio import factory as gpiopins
from sensorml.gpio import lines as gpio
from sensorml.sim.machine import Machine, MachineOptions

RATE_TOLERANCE = 0.05
"""The tolerance of an accelerometer's rate, whose oscillator is within 1 to 4 %."""
LEVEL_TOLERANCE_G = 0.25
"""The largest offset, that of the ADXL345 on z (Table 1, 0 g Output)."""
ROWS = 5
"""The rows read from a polled chip; an accelerometer is read for SECONDS."""
SECONDS = 5.0


def has_fifo(sensor):
    return "fifo_rows" in sensor.options.__struct_fields__


def has_self_test(sensor):
    return isinstance(plugins.driver(sensor.driver), SelfTestModule)


class Bench:
    """A chip's driver, and a record of its transfers."""

    def __init__(self, sensor, bus):
        self.bus = bus
        self.sensor = sensor
        self.module = plugins.driver(sensor.driver)
        self.driver = self.module.Driver(sensor.options, self.connect, bus.clock)

    def connect(self, options=None, chip=None):
        options, chip = options or self.sensor.options, chip or self.sensor.driver
        self.ear = wired.Ear(self.bus.connect(options, chip))
        return self.ear

    def run(self, seconds=SECONDS):
        """Read at the driver's own pace; return the blocks."""
        end_ns = self.bus.now_ns + seconds * 1e9
        blocks = []
        while self.bus.now_ns < end_ns:
            self.bus.wait(self.driver.period_s)
            if (block := self.driver.read()) is not None:
                blocks.append(block)
        return blocks


@pytest.fixture
def bench(sensor, request):
    if request.config.getoption("hardware"):
        bus = wired.Here(sensor.driver)
    else:
        on_spi = isinstance(sensor.options, ChipSelectOptions)
        bus = SimulatedSelect() if on_spi else SimulatedBus()
        at_rest = Machine(MachineOptions(harmonics=()))
        chips = importlib.import_module(f"sensorml.sim.chips.{sensor.driver}")
        bus.attach(sensor.options, chips.Chip(at_rest, bus.clock))
    bench = Bench(sensor, bus)
    yield bench
    bench.driver.stop()


def rows(blocks):
    return np.concatenate([block.samples for block in blocks])


def test_the_identity_is_that_of_the_chip(bench):
    assert bench.driver.start() is None


def test_registers_keep_what_is_written_to_them(bench):
    bench.driver.start()
    assert bench.run(max(0.5, 3 * bench.driver.period_s))
    assert bench.ear.held


@pytest.mark.only(when=has_fifo)
def test_rows_come_at_the_nominal_rate(bench):
    bench.driver.start()
    blocks = bench.run()
    nominal_hz = bench.sensor.options.rate_hz
    assert blocks[-1].rate_hz == pytest.approx(nominal_hz, rel=RATE_TOLERANCE)
    assert len(rows(blocks)) == pytest.approx(SECONDS * nominal_hz, rel=RATE_TOLERANCE)
    assert [block.missed for block in blocks] == [0] * len(blocks)


@pytest.mark.only(when=has_fifo)
def test_a_chip_at_rest_measures_gravity_and_is_not_frozen(bench):
    bench.driver.start()
    samples = rows(bench.run())
    assert samples.std(axis=0).max() < 0.05, "the sensor vibrates: stop the machine"
    assert math.dist(samples.mean(axis=0), (0, 0, 0)) == pytest.approx(
        1, abs=LEVEL_TOLERANCE_G
    )
    if bench.driver.frozen_rows is not None:
        assert samples.std(axis=0).min() > 0


@pytest.mark.only(when=has_fifo)
def test_rows_lost_in_a_pause_are_counted(bench):
    bench.driver.start()
    bench.run(2)
    paused_ns = bench.bus.now_ns
    bench.bus.wait(2)
    blocks = bench.run(1)
    expected = (bench.bus.now_ns - paused_ns) / 1e9 * bench.sensor.options.rate_hz
    lost = sum(block.missed for block in blocks)
    assert lost > 0
    assert lost + len(rows(blocks)) == pytest.approx(expected, rel=2 * RATE_TOLERANCE)


@pytest.mark.only(when=lambda sensor: not has_fifo(sensor))
def test_a_row_comes_once_a_period(bench):
    bench.driver.start()
    samples = rows(blocks := bench.run(ROWS / bench.sensor.options.rate_hz))
    assert len(samples) == pytest.approx(ROWS, abs=1)
    assert np.isfinite(samples).all()
    assert [block.missed for block in blocks] == [0] * len(blocks)


def test_a_stopped_chip_sleeps_and_starts_again(bench):
    bench.driver.start()
    ear = bench.ear
    ear.written.clear()
    bench.driver.stop()
    sleeping = {r: data for r, data in ear.written.items() if r in ear.held}
    assert sleeping or not has_fifo(bench.sensor)
    bus = bench.connect()
    assert {r: bus.read(r, len(data)) for r, data in sleeping.items()} == sleeping
    bus.close()
    with pytest.raises(BusError, match="not started"):
        bench.driver.read()
    bench.driver.start()
    assert bench.run(max(0.5, 3 * bench.driver.period_s))


@pytest.mark.only(when=has_self_test)
def test_the_chip_passes_its_self_test(bench):
    bus = bench.connect()
    result = bench.module.self_test(bus, bench.bus.wait)
    bus.close()
    assert result.verdict == "passed", result


@pytest.fixture(scope="module")
def header(request):
    """The board's lines, or simulated ones; for the module, as lgpio's thread stays."""
    if request.config.getoption("hardware"):
        wiring.use_header()
        if gpio.simulated():
            pytest.fail(
                "no GPIO here that a wire could be on, lines are only simulated: run "
                "this on the board, as a user who sees /dev/gpiochip*, and without "
                "GPIOZERO_PIN_FACTORY"
            )
        yield
        return
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("GPIOZERO_PIN_FACTORY", "mock")
        gpiopins.factory.cache_clear()
        pins = gpiopins.factory()
        pins.pin_class = MockPin
        pins.pin(17, pin_class=MockConnectedPin, input_pin=pins.pin(27))
        yield
        gpiopins.factory.cache_clear()


@pytest.mark.parametrize("active", ["high", "low"])
@pytest.mark.parametrize("fail_safe", ["on", "off"])
def test_an_alarm_arrives_at_the_other_end_of_the_wire(header, loop, active, fail_safe):
    alarm = Alarm(
        name="wire", model="none", gpio=loop.output, active=active, fail_safe=fail_safe
    )
    safe, changes = fail_safe == "on", []
    with ExitStack() as stack:
        line = wiring.alarm_line(alarm, stack, LineTimer())
        end = gpio.open_input(
            loop.input,
            on_change=lambda on, _at_ns: changes.append(on),
            pull="none",
            active=active,
        )
        stack.callback(end.close)
        assert becomes_true(lambda: end.value is safe)
        signals = [(Signal.OFF, False), (Signal.ALARM, True)]
        for signal, on in signals if safe else reversed(signals):
            line.set(signal)
            assert becomes_true(lambda on=on: end.value is on and changes[-1:] == [on])


def becomes_true(condition):
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.01)  # for a real wire; simulated lines change at once
    return False

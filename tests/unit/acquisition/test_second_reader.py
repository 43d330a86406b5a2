"""A FIFO that another program reads, too: the rows that it takes are missed."""

from __future__ import annotations

import pytest
from support import Clock

from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.buses.i2c import I2cConnection
from sensorml.drivers import adxl345
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import adxl345 as sim_adxl345
from sensorml.sim.machine import Machine, MachineOptions
from sensorml.types import SensorState

STEP_NS = 8_000_000
OPTIONS = adxl345.Options(bus="sim", rate_hz=800)


class Bench:
    """An ADXL345 with two readers, each every 16 ms, and the health of the first."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.chip = sim_adxl345.Chip(Machine(MachineOptions()), self.clock)
        bus = SimBus({0x53: self.chip})
        self.driver = adxl345.Driver(
            OPTIONS, lambda options, name: I2cConnection(bus, options, name), self.clock
        )
        self.other = I2cConnection(bus, OPTIONS, "other")
        self.health = SensorHealth("motor", stale_after_s=2.0)
        self.driver.start()

    def run(self, seconds: float, *, two: bool) -> None:
        for step in range(round(seconds * 1e9 / STEP_NS)):
            self.clock.now_ns += STEP_NS
            if step % 2 == 0:
                block = self.driver.read()
                if block is not None:
                    self.health.block(self.clock(), block, frozen=None)
            elif two:
                rows = self.other.read(0x39, 1)[0] & 0x3F
                self.other.read_many(0x32, 6, rows)


def test_a_sensor_with_another_reader_is_not_ok_and_has_missed_what_that_one_got():
    bench = Bench()
    bench.run(30, two=True)
    health = bench.health
    assert health.state is SensorState.OFF_RATE
    measured, _, rest = health.reason.partition(
        " samples a second and not 800 Hz ± 5 %"
    )
    assert float(measured) == pytest.approx(400, rel=0.02)
    assert "stop other programs that read this chip" in rest
    assert health.rows == pytest.approx(12_000, rel=0.02)
    assert health.rows + health.missed == pytest.approx(24_000, rel=0.01)
    assert health.overruns == 0


def test_it_is_ok_again_when_the_other_has_gone():
    bench = Bench()
    bench.run(10, two=True)
    bench.run(8, two=False)
    assert bench.health.state is SensorState.OK
    missed = bench.health.missed
    bench.run(20, two=False)
    assert bench.health.missed == missed
    assert bench.health.rate_hz == pytest.approx(800, rel=0.01)


def test_a_sensor_alone_stays_ok():
    bench = Bench()
    bench.run(30, two=False)
    assert bench.health.state is SensorState.OK
    assert bench.health.missed == 0

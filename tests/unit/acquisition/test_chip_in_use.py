"""A sensor whose chip another process has."""

from __future__ import annotations

import os

from processes import available, owner
from support import SECOND, Clock

from sensorml.acquisition.bus_thread import IN_USE_RETRY_S, SensorPoller
from sensorml.acquisition.inbox import Inbox, Reading, Started
from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.buses.i2c import I2cConnection
from sensorml.drivers import adxl345
from sensorml.errors import InUseError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import adxl345 as sim_adxl345
from sensorml.sim.machine import Machine, MachineOptions
from sensorml.types import Block, SensorState

NAME = f"address 0x53 on i2c-test-{os.getpid()}"


class Bench:
    """One simulated ADXL345 and the poller that reads it."""

    def __init__(self) -> None:
        self.clock, self.inbox = Clock(), Inbox()
        chip = sim_adxl345.Chip(Machine(MachineOptions()), self.clock)
        self.bus = SimBus({0x53: chip})
        driver = adxl345.Driver(
            adxl345.Options(bus="sim"),
            lambda options, name: I2cConnection(self.bus, options, name),
            self.clock,
        )
        self.poller = SensorPoller("motor", driver, lambda: [NAME])

    def visit(self) -> tuple[float | None, Reading | None]:
        wait_s = self.poller.visit(self.inbox, self.clock)
        return wait_s, self.inbox.get(0)


def test_the_sensor_is_absent_with_that_reason_and_comes_when_the_chip_is_free():
    bench, health = Bench(), SensorHealth("motor", stale_after_s=2.0)
    with owner(NAME, "record", "box.toml") as process:
        for _ in range(20):
            wait_s, reading = bench.visit()
            assert wait_s == IN_USE_RETRY_S
            assert reading is not None
            assert isinstance(reading.content, InUseError)
            health.failure(reading.at_ns, reading.content)
        assert bench.bus.transfers == 0
        assert health.state is SensorState.ABSENT
        assert f"process {process.pid} (sensorml record box.toml)" in health.reason
    _, reading = bench.visit()
    assert reading is not None
    assert isinstance(reading.content, Started)
    bench.clock.now_ns += SECOND // 100
    _, reading = bench.visit()
    assert reading is not None
    assert isinstance(reading.content, Block)
    bench.poller.stop()


def test_no_other_process_gets_the_chip_of_a_sensor_that_runs():
    bench = Bench()
    bench.visit()
    assert not available(NAME)
    bench.poller.stop()
    assert available(NAME)

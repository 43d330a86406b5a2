"""Chips sold as another one of InvenSense: named, and read as what they are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from simulated_bus import SimulatedBus

from sensorml.drivers import mpu6050, mpu6500, mpu9250
from sensorml.errors import SensorError
from sensorml.sim.chips import mpu6050 as sim_6050
from sensorml.sim.chips import mpu6500 as sim_6500
from sensorml.sim.machine import Machine, MachineOptions
from sensorml.types import Block

ADDRESS = 0x68


class Bench:
    def __init__(self, module, chips, identity, machine=None, **options):
        self.bus = SimulatedBus()
        self.machine = Machine(machine or MachineOptions())
        self.chip = chips.Chip(self.machine, self.bus.clock, identity=identity)
        self.bus.put({ADDRESS: self.chip})
        options = module.Options(bus="sim", **options)
        self.driver = module.Driver(options, self.bus.connect, self.bus.clock)

    def blocks(self, seconds: float) -> Iterator[Block]:
        end_ns = self.bus.now_ns + seconds * 1e9
        while self.bus.now_ns < end_ns:
            self.bus.wait(self.driver.period_s)
            if (block := self.driver.read()) is not None:
                yield block


SOLD_AS_6050 = [(0x70, "MPU6500"), (0x71, "MPU9250"), (0x98, "ICM-20689")]


@pytest.mark.parametrize(("identity", "name"), SOLD_AS_6050)
def test_a_chip_sold_as_an_mpu6050_is_named_with_its_driver(identity, name):
    warning = Bench(mpu6050, sim_6500, identity).driver.start()
    driver = "mpu9250" if identity == 0x71 else "mpu6500"
    assert warning == (
        f"mpu6050 at 0x68 on i2c-sim: identity register 0x75 is {identity:#04x}, that "
        f'of {name}, and is read as MPU6050: write driver = "{driver}"'
    )


@pytest.mark.parametrize("identity", [0x70, 0x98, 0x72])
def test_the_overrun_of_a_clone_with_half_the_fifo_is_counted(identity):
    bench = Bench(mpu6050, sim_6500, identity)
    bench.driver.start()
    blocks = [*bench.blocks(5)]
    assert sum(block.missed for block in blocks) == 0
    bench.bus.wait(0.12)  # longer than 512 bytes, shorter than 1024
    blocks += bench.blocks(1)
    assert sum(block.missed for block in blocks) > 0
    rows = sum(len(block.samples) + block.missed for block in blocks)
    assert rows == pytest.approx(bench.chip.converter.taken, abs=3)
    truth = bench.machine.acceleration(
        (
            bench.chip.converter.times_ns(0, bench.chip.converter.taken)
            - bench.chip.converter.born_ns
        )
        / 1e9
    )
    last = blocks[-1].samples
    np.testing.assert_allclose(last, truth[-len(last) :], atol=0.02)


def test_more_rows_than_the_fifo_of_a_clone_holds_are_refused():
    with pytest.raises(SensorError, match=r"fifo_rows = 100 .* give at most 63"):
        Bench(mpu6050, sim_6500, 0x70, fifo_rows=100).driver.start()
    Bench(mpu6050, sim_6050, 0x68, fifo_rows=100).driver.start()


def test_a_clone_filters_the_accelerations_at_low_rates():
    bench = Bench(mpu6050, sim_6500, 0x98, rate_hz=100)
    bench.driver.start()
    bus = bench.bus.connect(mpu6050.Options(bus="sim"), "mpu6050")
    assert bus.read(0x1D, 1)[0] == mpu6500.FILTER[100]


@pytest.mark.parametrize("module", [mpu6500, mpu9250])
def test_an_mpu6050_in_place_of_a_faster_chip_is_read_up_to_1_khz(module):
    bench = Bench(module, sim_6050, 0x68)
    assert "that of MPU6050, and is read as" in bench.driver.start()
    assert sum(len(block.samples) for block in bench.blocks(1)) > 900
    with pytest.raises(SensorError, match="set rate_hz to 1000 at most"):
        Bench(module, sim_6050, 0x68, rate_hz=4000).driver.start()


def test_a_board_with_an_mpu6500_in_place_of_an_mpu9250_works():
    bench = Bench(mpu9250, sim_6500, 0x70, rate_hz=4000)
    assert 'write driver = "mpu6500"' in bench.driver.start()
    assert sum(len(block.samples) for block in bench.blocks(1)) > 3800


@pytest.mark.parametrize("module", [mpu6050, mpu6500, mpu9250])
def test_a_chip_whose_fifo_has_other_rows_is_refused_by_name(module):
    with pytest.raises(SensorError, match="that of ICM-20602, for which there is no"):
        Bench(module, sim_6500, 0x12).driver.start()


@pytest.mark.parametrize("module", [mpu6050, mpu6500])
def test_the_chip_of_another_driver_is_refused_with_that_driver(module):
    bench = Bench(module, sim_6500, 0x00)
    bench.chip.write(bytes((0x00, 0xEA)))
    with pytest.raises(SensorError, match=r'that of ICM-20948 .* driver = "icm20948"'):
        bench.driver.start()


def test_the_self_test_of_a_chip_sold_as_an_mpu6050_is_its_own():
    bench = Bench(mpu6050, sim_6500, 0x70, machine=MachineOptions(harmonics=()))
    bus = bench.bus.connect(mpu6050.Options(bus="sim"), "mpu6050")
    assert mpu6050.self_test(bus, bench.bus.wait).verdict == "passed"

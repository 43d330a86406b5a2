"""`sensorml probe --self-test`: the self-test of every accelerometer that answers.

A self-test writes the chip's registers: other programs that read the chip, above
all the service, must not run at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from sensorml import plugins
from sensorml.acquisition.self_test import SelfTest, SelfTestModule, Verdict
from sensorml.buses import i2c
from sensorml.commands.probe.i2c_scan import Sensors, known_chips
from sensorml.errors import BusError, SensorError
from sensorml.interfaces import Registers


@dataclass(frozen=True, slots=True)
class Tested:
    """One sensor and the result of its self-test."""

    bus: int
    address: int
    chip: str
    result: SelfTest

    def __str__(self) -> str:
        axes = ", ".join(
            f"{each.axis} {each.change_g:+.2f} g of {each.least_g:.2f} to "
            f"{each.most_g:.2f}"
            for each in self.result.axes
        )
        where = f"{self.chip} at {self.address:#04x} on i2c-{self.bus}"
        line = f"{where}: self-test {self.result.verdict}"
        line += f" ({axes})" if axes else ""
        return f"{line}: {self.result.why}" if self.result.why else line


def run(
    sensors: Sequence[Sensors],
    connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Tested]:
    """Test all sensors that have a self-test, one after the other."""
    drivers = {
        name: chip.driver
        for chip in known_chips()
        for name in chip.identity.chips.values()
    }
    for bus in sensors:
        for answer in bus.answers:
            if (driver := drivers.get(answer.chip)) is None:
                continue
            module = plugins.driver(driver)
            if isinstance(module, SelfTestModule):
                options = i2c.I2cOptions(bus=bus.bus, address=answer.address)
                result = _tested(module, driver, options, connect, pause)
                yield Tested(bus.bus, answer.address, answer.chip, result)


def failed(tests: Sequence[Tested]) -> bool:
    return any(each.result.verdict is Verdict.FAILED for each in tests)


def _tested(
    module: SelfTestModule,
    driver: str,
    options: i2c.I2cOptions,
    connect: Callable[[i2c.I2cOptions, str], Registers],
    pause: Callable[[float], None],
) -> SelfTest:
    try:
        with closing(connect(options, driver)) as bus:
            return module.self_test(bus, pause)
    except (BusError, SensorError) as err:
        where = f"{driver} at {options.address:#04x} on {options.thread}: "
        return SelfTest(Verdict.FAILED, why=str(err).removeprefix(where))

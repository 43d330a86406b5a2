"""`sensorml probe --self-test`: the self-test of every accelerometer that answers.

A self-test writes the chip's registers, so a chip that another process uses, such as
the service, is not tested.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from sensorml import plugins
from sensorml.acquisition.identities import known_chips
from sensorml.acquisition.self_test import SelfTest, SelfTestModule, Verdict
from sensorml.buses import i2c
from sensorml.buses.ownership import held
from sensorml.commands.probe.i2c_scan import Sensors
from sensorml.errors import BusError, InUseError, SensorError
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
            if answer.in_use:
                result = SelfTest(Verdict.UNDECIDED, why=answer.chip[1:-1])
                yield Tested(bus.bus, answer.address, "chip", result)
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
        with held(*options.held()), closing(connect(options, driver)) as bus:
            return module.self_test(bus, pause)
    except (BusError, SensorError) as err:
        where = f"{driver} at {options.address:#04x} on {options.thread}: "
        in_use = isinstance(err, InUseError)
        verdict = Verdict.UNDECIDED if in_use else Verdict.FAILED
        return SelfTest(verdict, why=str(err).removeprefix(where))

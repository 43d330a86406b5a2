"""The cost of reading a FIFO over I2C, in bytes on the wire and in CPU time.

The reference on the wire is the least that the chip's data sheet allows: the bytes of
the rows, and the addresses between them if a FIFO returns one entry for each read. The
reference on the CPU is a bare loop that does the same reads on the same simulated bus,
without times, gaps and checks. Most of the time on both sides is the simulated chip's,
which a real bus does not need.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

import msgspec
import numpy as np

from bench.figures import Figure, Pair, paired
from sensorml import plugins
from sensorml.buses.i2c import I2cConnection, I2cOptions
from sensorml.buses.i2c_traffic import ManualClock
from sensorml.drivers import adxl345
from sensorml.interfaces import Registers
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import adxl345 as simulated
from sensorml.sim.machine import Machine, MachineOptions

ROW_BYTES = {
    "adxl343": 3 + 6,  # the address, the register, the address again, one entry
    "adxl345": 3 + 6,
    "adxl355": 9,
    "adxl357": 9,
    "adxl372": 6,
    "bmi160": 6,
    "icm20948": 6,
    "icm42688": 8,  # a header, the three axes, a temperature
    "kx134": 6,
    "lis2dw12": 6,
    "lis3dh": 6,
    "mpu6050": 6,
    "mpu6500": 6,
    "mpu9250": 6,
}
"""The fewest bytes on the wire for each row."""

FIFO_ROWS: Final = 16
RATE_HZ: Final = 800
SECONDS: Final = 5


def measure(_folder: Path, rounds: int = 15) -> list[Figure]:
    named = "the rows alone, as the data sheet lets them be read"
    figures = [
        Figure(f"{driver}, bytes on the wire a row", wire(driver), "B", 1.1, named)
        for driver in ROW_BYTES
    ]
    worst = max(
        (wire(driver, **keys) for driver, keys in rates()),
        key=lambda pair: pair.ratio,
    )
    what = f"the worst at any rate, fifo_rows = {FIFO_ROWS}"
    figures.append(Figure(what, worst, "B", 1.1, named))
    pair = paired(_ours, _bare, rounds)
    what = f"{SECONDS} s of 3 × {RATE_HZ} Hz off a FIFO, CPU, simulated bus"
    return [*figures, Figure(what, pair, "ms", 2.0, "bare loop of the same reads")]


def rates() -> Iterator[tuple[str, dict[str, int]]]:
    """Yield every driver with each of its rates, with FIFO_ROWS."""
    for driver in ROW_BYTES:
        fields = msgspec.structs.fields(plugins.driver(driver).Options)
        rates = next(get_args(f.type) for f in fields if f.name == "rate_hz")
        for rate_hz in rates:
            yield driver, {"rate_hz": rate_hz, "fifo_rows": FIFO_ROWS}


def wire(driver: str, **keys: int) -> Pair:
    """Count the bytes on the wire for each row with these options."""
    options = plugins.driver(driver).Options(**keys)
    assert isinstance(options, I2cOptions)
    traffic = options.traffic(plugins.driver(driver), reads=200)
    assert traffic is not None
    ours, least = traffic.bytes / traffic.rows, ROW_BYTES[driver]
    return Pair(ours, least, ours / least)


def _bus(clock: ManualClock) -> SimBus:
    chip = simulated.Chip(Machine(MachineOptions()), clock)
    return SimBus({adxl345.Options().address: chip})


def _ours() -> float:
    """Return the CPU time of the driver in ms."""
    clock = ManualClock()
    bus = _bus(clock)

    def connect(options: adxl345.Options, chip: str) -> Registers:
        return I2cConnection(bus, options, chip)

    options = adxl345.Options(bus="sim", rate_hz=RATE_HZ)
    driver = adxl345.Driver(options, connect, clock)
    driver.start()
    period_ns = round(driver.period_s * 1e9)
    begun = time.process_time()
    for _ in range(SECONDS * 10**9 // period_ns):
        clock.now_ns += period_ns
        driver.read()
    spent = time.process_time() - begun
    driver.stop()
    return spent * 1e3


def _bare() -> float:
    """Return the CPU time of the bare loop in ms."""
    clock = ManualClock()
    bus, address = _bus(clock), adxl345.Options().address
    for setting in (b"\x2c\x0d", b"\x31\x0b", b"\x38\x80", b"\x2d\x08"):
        bus.transfer(address, (setting,))
    period_ns = round(adxl345.Driver(adxl345.Options()).period_s * 1e9)
    scale = np.float32(1 / 256)
    begun = time.process_time()
    for _ in range(SECONDS * 10**9 // period_ns):
        clock.now_ns += period_ns
        rows = bus.transfer(address, (b"\x39", 1))[0] & 0x3F
        raw = bus.transfer(address, (b"\x32", 6) * rows)
        np.frombuffer(raw, "<i2").reshape(-1, 3) * scale
    return (time.process_time() - begun) * 1e3

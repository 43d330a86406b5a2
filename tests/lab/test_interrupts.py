"""The interrupt line of an accelerometer, from its pin to the times of its samples.

The pin is a line of gpio-sim, whose edges lgpio receives with the kernel's times.
"""

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from adapter import Adapter, plugged
from time_errors import TimeErrors, poll
from time_signal import TimeSignal

from sensorml.drivers import adxl345, mpu6050
from sensorml.sim.chips import adxl345 as adxl345_chip
from sensorml.sim.chips import mpu6050 as mpu6050_chip
from sensorml.types import Block

pytestmark = pytest.mark.timeout(0)  # it would measure the guest's virtual time

LINE = 25
SECONDS = 40
SETTLED_S = 20
SENSORS = {
    "adxl345": (adxl345, adxl345_chip, 0x53, 800),
    "mpu6050": (mpu6050, mpu6050_chip, 0x68, 500),
}


class WiredChip:
    """A chip whose interrupt pin is wired to a line of the header."""

    def __init__(self, chip, header):
        self.chip = chip
        self.cut = False
        self.rises = 0
        self._header = header
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def write(self, data):
        with self._lock:
            self.chip.write(data)

    def read(self, length):
        with self._lock:
            return self.chip.read(length)

    @contextmanager
    def driving(self):
        """Drive the line from the pin."""
        thread = threading.Thread(target=self._follow)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _follow(self):
        high, due_ns, wait_s = False, None, 0.0
        while not self._stop.wait(wait_s):
            with self._lock:
                next_ns = self.chip.interrupt_ns()  # None if it is up or stays down
            now_ns = time.monotonic_ns()
            if due_ns is not None and due_ns <= now_ns and not high:
                high, due_ns = True, None
                self._drive(high=True)
            if next_ns is not None and next_ns > now_ns:
                due_ns = next_ns
                if high:
                    high = False
                    self._drive(high=False)
            # At least 50 µs, because a loop without a sleep takes no virtual time.
            wait_s = 1e-3 if due_ns is None else max(5e-5, (due_ns - now_ns) / 1e9)
            wait_s = min(wait_s, 1e-3)

    def _drive(self, *, high):
        if not self.cut:
            self.rises += high
            self._header.drive(LINE, high=high)


@contextmanager
def wired(name, header, rate_error):
    """Yield a chip wired to a line, and the time errors of its driver."""
    driver, chips, address, rate_hz = SENSORS[name]
    chip = chips.Chip(TimeSignal(), rate_error=rate_error)
    wired_chip = WiredChip(chip, header)
    header.drive(LINE, high=False)
    adapter = Adapter({address: wired_chip})
    adapter.speed_hz = 400_000
    options = driver.Options(bus=1, rate_hz=rate_hz, range_g=2, interrupt_gpio=LINE)
    with plugged(adapter), wired_chip.driving():
        yield wired_chip, TimeErrors(chip, driver.Driver(options))


@pytest.mark.parametrize("name", SENSORS)
def test_samples_are_timed_by_edges_and_none_is_missed(name, header, caplog, figure):
    with wired(name, header, 0.017) as (chip, errors):
        begun = time.monotonic()
        for reading in poll({name: errors.driver}, SECONDS):
            if isinstance(reading.content, Block):
                settled = time.monotonic() - begun > SETTLED_S
                errors.add(reading.content, settled=settled)
                if not settled:
                    errors.errors_ns.clear()
    errors_us = abs(np.concatenate(errors.errors_ns)) / 1e3
    figure(
        f"{name} with its interrupt line: {errors.rows} samples, {chip.rises} edges, "
        f"time error p99 {np.percentile(errors_us, 99):.0f} µs"
    )
    assert errors.missed == errors.gaps == 0
    assert chip.rises > SECONDS * 10
    assert np.percentile(errors_us, 99) <= 200
    assert not caplog.records


def test_a_broken_wire_causes_a_warning_and_loses_no_sample(header, caplog):
    with wired("adxl345", header, -0.02) as (chip, errors):
        for reading in poll({"adxl345": errors.driver}, 10):
            chip.cut = chip.cut or errors.rows > 4000
            if isinstance(reading.content, Block):
                errors.add(reading.content, settled=False)
    [warning] = caplog.records
    assert "the interrupt line is silent while samples come" in warning.getMessage()
    assert errors.missed == errors.gaps == 0
    assert errors.rows > 7000

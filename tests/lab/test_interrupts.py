"""The interrupt line of an accelerometer, from its pin to the times of its samples.

The pin is a line of gpio-sim, and lgpio hears its edges with the kernel's own times.
"""

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from adapter import Adapter, plugged
from time_errors import Truth, readings
from time_signal import TimeSignal

from sensorml.drivers import adxl345, mpu6050
from sensorml.sim.chips import adxl345 as adxl345_chip
from sensorml.sim.chips import mpu6050 as mpu6050_chip
from sensorml.types import Block

pytestmark = pytest.mark.timeout(0)  # seconds of the guest's are not ours

LINE = 25
SECONDS = 40
SETTLED_S = 20
SENSORS = {
    "adxl345": (adxl345, adxl345_chip, 0x53, 800),
    "mpu6050": (mpu6050, mpu6050_chip, 0x68, 500),
}


class Wired:
    """A chip whose pin is wired to a line of the header."""

    def __init__(self, chip, header):
        self.chip = chip
        self.cut = False
        self.rises = 0
        self._header = header
        self._one_at_a_time = threading.Lock()
        self._stop = threading.Event()

    def write(self, data):
        with self._one_at_a_time:
            self.chip.write(data)

    def read(self, length):
        with self._one_at_a_time:
            return self.chip.read(length)

    @contextmanager
    def driving(self):
        """Let the line follow the pin."""
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
            with self._one_at_a_time:
                next_ns = self.chip.interrupt_ns()  # None: it is up, or stays down
            now_ns = time.monotonic_ns()
            if due_ns is not None and due_ns <= now_ns and not high:
                high, due_ns = True, None
                self._drive(high=True)
            if next_ns is not None and next_ns > now_ns:
                due_ns = next_ns
                if high:
                    high = False
                    self._drive(high=False)
            # Never too short to sleep: computing takes no virtual time.
            wait_s = 1e-3 if due_ns is None else max(5e-5, (due_ns - now_ns) / 1e9)
            wait_s = min(wait_s, 1e-3)

    def _drive(self, *, high):
        if not self.cut:
            self.rises += high
            self._header.drive(LINE, high=high)


@contextmanager
def bench(name, header, rate_error):
    """Yield what is wired to a line, and the truth with the driver that reads it."""
    driver, chips, address, rate_hz = SENSORS[name]
    chip = chips.Chip(TimeSignal(), rate_error=rate_error)
    wired = Wired(chip, header)
    header.drive(LINE, high=False)
    adapter = Adapter({address: wired})
    adapter.speed_hz = 400_000
    options = driver.Options(bus=1, rate_hz=rate_hz, range_g=2, interrupt_gpio=LINE)
    with plugged(adapter), wired.driving():
        yield wired, Truth(chip, driver.Driver(options))


@pytest.mark.parametrize("name", SENSORS)
def test_edges_date_the_samples_and_none_is_missed(name, header, caplog, figure):
    with bench(name, header, 0.017) as (wired, truth):
        begun = time.monotonic()
        for reading in readings({name: truth.driver}, SECONDS):
            if isinstance(reading.what, Block):
                settled = time.monotonic() - begun > SETTLED_S
                truth.take(reading.what, settled=settled)
                if not settled:
                    truth.off_ns.clear()
    off_us = abs(np.concatenate(truth.off_ns)) / 1e3
    figure(
        f"{name} with its interrupt line: {truth.rows} samples, {wired.rises} edges, "
        f"time stamps off by p99 {np.percentile(off_us, 99):.0f} µs"
    )
    assert truth.missed == truth.gaps == 0
    assert wired.rises > SECONDS * 10
    assert np.percentile(off_us, 99) <= 200
    assert not caplog.records


def test_a_wire_that_breaks_is_warned_of_and_costs_no_sample(header, caplog):
    with bench("adxl345", header, -0.02) as (wired, truth):
        for reading in readings({"adxl345": truth.driver}, 10):
            wired.cut = wired.cut or truth.rows > 4000
            if isinstance(reading.what, Block):
                truth.take(reading.what, settled=False)
    [warning] = caplog.records
    assert "the interrupt line is silent while samples come" in warning.getMessage()
    assert truth.missed == truth.gaps == 0
    assert truth.rows > 7000

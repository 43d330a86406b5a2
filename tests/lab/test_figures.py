"""The figures that need a kernel: time errors, missed samples, counted edges.

They are measured in virtual time, with the transfer times of a 400 kHz bus and with
oscillators that are off by what their data sheets allow.
"""

import os
import threading
import time

import numpy as np
import pytest
from adapter import Adapter, plugged
from time_errors import TimeErrors, poll
from time_signal import TimeSignal

from sensorml.acquisition.inbox import Started
from sensorml.drivers import adxl345, mpu6050, pulse
from sensorml.sim.chips import adxl345 as adxl345_chip
from sensorml.sim.chips import mpu6050 as mpu6050_chip
from sensorml.types import Block

pytestmark = pytest.mark.timeout(0)  # it would measure the guest's virtual time

MINUTES = float(os.environ.get("SENSORML_LAB_MINUTES", "10"))
"""The duration of the measurement, in virtual time."""
SETTLED_S = 60.0
EDGES_S = 60


def test_two_sensors_on_one_bus_miss_nothing_and_have_the_right_times(figure):
    sensors = {
        "ADXL345 at 800 Hz": TimeErrors(
            adxl345_chip.Chip(TimeSignal(), rate_error=0.017),
            adxl345.Driver(adxl345.Options(bus=1, rate_hz=800, range_g=2)),
        ),
        "MPU6050 at 1 kHz": TimeErrors(
            mpu6050_chip.Chip(TimeSignal(), rate_error=-0.023),
            mpu6050.Driver(mpu6050.Options(bus=1, rate_hz=1000, range_g=2)),
        ),
    }
    adapter = Adapter(
        dict(zip((0x53, 0x68), (s.chip for s in sensors.values()), strict=True))
    )
    adapter.speed_hz = 400_000
    with plugged(adapter):
        begun = time.monotonic()
        for reading in poll({n: s.driver for n, s in sensors.items()}, MINUTES * 60):
            if isinstance(reading.content, Block):
                settled = time.monotonic() - begun > SETTLED_S
                sensors[reading.sensor].add(reading.content, settled=settled)
            else:
                assert isinstance(reading.content, Started), reading.content
    for name, errors in sensors.items():
        errors_us = abs(np.concatenate(errors.errors_ns)) / 1e3
        p99_us = float(np.percentile(errors_us, 99))
        figure(
            f"{name}, {MINUTES:g} min: {errors.rows} samples, {errors.missed} missed, "
            f"time error p99 {p99_us:.0f} µs, largest {errors_us.max():.0f} µs; "
            f"rate after a minute within {errors.worst_ppm:.0f} ppm"
        )
        assert errors.missed == errors.gaps == 0
        rate_hz = errors.chip.converter.rate_hz
        # The rows of its start and those left in its FIFO are missing.
        assert errors.rows == pytest.approx(rate_hz * MINUTES * 60, abs=rate_hz / 4)
        assert p99_us <= 200
        assert errors.worst_ppm <= 50


def test_every_edge_of_a_line_is_counted(figure, header):
    """At 1000 edges a second, the most that gpio-sim's ticks of 1 ms can carry."""
    header.drive(22, high=False)
    options = pulse.Options(
        gpio=22, active="high", pull="none", rate_hz=2, measure=("count", "rate")
    )
    driver = pulse.Driver(options)
    counted, stop = 0, threading.Event()

    def drive():
        begun = time.monotonic()
        for edge in range(EDGES_S * 1000):
            header.drive(22, high=edge % 2 == 0)
            time.sleep(max(0, begun + (edge + 1) / 1000 - time.monotonic()))
        stop.set()

    driver.start()
    thread = threading.Thread(target=drive)
    thread.start()
    while not stop.wait(driver.period_s):
        counted += driver.read().samples[0, 0]
    thread.join()
    time.sleep(0.1)
    counted += driver.read().samples[0, 0]
    driver.stop()
    figure(f"edges at 1 kHz for {EDGES_S} s: {2 * counted:.0f} of {EDGES_S * 1000}")
    assert 2 * counted == EDGES_S * 1000

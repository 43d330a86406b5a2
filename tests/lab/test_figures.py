"""The figures that need a kernel: time stamps, missed samples, counted edges.

In virtual time: a transfer takes what it takes on a 400 kHz bus, and the chips'
oscillators are off by what their data sheets allow.
"""

import os
import threading
import time

import numpy as np
import pytest
from adapter import Adapter, plugged
from time_errors import Truth, readings
from time_signal import TimeSignal

from sensorml.acquisition.inbox import Started
from sensorml.drivers import adxl345, mpu6050, pulse
from sensorml.sim.chips import adxl345 as adxl345_chip
from sensorml.sim.chips import mpu6050 as mpu6050_chip
from sensorml.types import Block

pytestmark = pytest.mark.timeout(0)  # seconds of the guest's are not ours

MINUTES = float(os.environ.get("SENSORML_LAB_MINUTES", "10"))
"""How long the sensors are watched, in the guest's time."""
SETTLED_S = 60.0
EDGES_S = 60


def test_two_sensors_on_one_bus_lose_nothing_and_know_the_time(figure):
    truths = {
        "ADXL345 at 800 Hz": Truth(
            adxl345_chip.Chip(TimeSignal(), rate_error=0.017),
            adxl345.Driver(adxl345.Options(bus=1, rate_hz=800, range_g=2)),
        ),
        "MPU6050 at 1 kHz": Truth(
            mpu6050_chip.Chip(TimeSignal(), rate_error=-0.023),
            mpu6050.Driver(mpu6050.Options(bus=1, rate_hz=1000, range_g=2)),
        ),
    }
    adapter = Adapter(
        dict(zip((0x53, 0x68), (t.chip for t in truths.values()), strict=True))
    )
    adapter.speed_hz = 400_000
    with plugged(adapter):
        begun = time.monotonic()
        for reading in readings({n: t.driver for n, t in truths.items()}, MINUTES * 60):
            if isinstance(reading.what, Block):
                settled = time.monotonic() - begun > SETTLED_S
                truths[reading.sensor].take(reading.what, settled=settled)
            else:
                assert isinstance(reading.what, Started), reading.what
    for name, truth in truths.items():
        off_us = abs(np.concatenate(truth.off_ns)) / 1e3
        p99_us = float(np.percentile(off_us, 99))
        figure(
            f"{name}, {MINUTES:g} min: {truth.rows} samples, {truth.missed} missed, "
            f"time stamps off by p99 {p99_us:.0f} µs, largest {off_us.max():.0f} µs; "
            f"rate after a minute within {truth.worst_ppm:.0f} ppm"
        )
        assert truth.missed == truth.gaps == 0
        rate_hz = truth.chip.converter.rate_hz
        # But for its start and what was in its FIFO at the end.
        assert truth.rows == pytest.approx(rate_hz * MINUTES * 60, abs=rate_hz / 4)
        assert p99_us <= 200
        assert truth.worst_ppm <= 50


def test_every_edge_of_a_line_is_counted(figure, header):
    """1000 edges a second, up and down: what gpio-sim's 1 ms ticks can carry."""
    header.drive(22, high=False)
    options = pulse.Options(
        gpio=22, active="high", pull="none", rate_hz=2, measure=("count", "rate")
    )
    driver = pulse.Driver(options)
    counted, stop = 0, threading.Event()

    def turn():
        begun = time.monotonic()
        for edge in range(EDGES_S * 1000):
            header.drive(22, high=edge % 2 == 0)
            time.sleep(max(0, begun + (edge + 1) / 1000 - time.monotonic()))
        stop.set()

    driver.start()
    wheel = threading.Thread(target=turn)
    wheel.start()
    while not stop.wait(driver.period_s):
        counted += driver.read().samples[0, 0]
    wheel.join()
    time.sleep(0.1)
    counted += driver.read().samples[0, 0]
    driver.stop()
    figure(f"edges at 1 kHz for {EDGES_S} s: {2 * counted:.0f} of {EDGES_S * 1000}")
    assert 2 * counted == EDGES_S * 1000

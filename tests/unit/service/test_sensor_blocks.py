"""The blocks of one sensor for a command."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np

from sensorml.config.tables import Sensor
from sensorml.drivers import file, lm75
from sensorml.errors import BusError
from sensorml.recordings import write_npz
from sensorml.service.sensor_blocks import open_sensor
from sensorml.types import Block


def recording(path: Path, rows: int) -> Sensor:
    write_npz(
        path,
        samples=np.arange(rows * 3, dtype=np.float32).reshape(rows, 3),
        rate_hz=1000.0,
        channels=["x", "y", "z"],
        unit="g",
        start_ns=0,
    )
    options = file.Options(path=str(path), pace="fast")
    return Sensor(name="bench", driver="file", options=options)


def test_a_source_that_ends_ends_the_items_and_none_is_lost(tmp_path):
    sensor = recording(tmp_path / "bench.npz", 50_000)
    with open_sensor(sensor) as source:
        blocks = [item for item in source.items if isinstance(item, Block)]
    samples = np.concatenate([block.samples for block in blocks])
    assert [channel.name for channel in source.channels] == ["x", "y", "z"]
    assert np.array_equal(samples.ravel(), np.arange(150_000))


def test_leaving_early_stops_a_source_that_waits_for_room(tmp_path):
    with open_sensor(recording(tmp_path / "bench.npz", 500_000)) as source:
        items = [item for item in islice(source.items, 3) if isinstance(item, Block)]
    assert items


def test_a_sensor_that_is_not_there_is_an_item_and_not_the_end():
    options = lm75.Options(bus="/dev/i2c-none", address=0x48)
    with open_sensor(Sensor(name="t", driver="lm75", options=options)) as source:
        items = list(islice(source.items, 3))
    errors = [item for item in items if item is not None]
    assert errors
    assert all(isinstance(error, BusError) for error in errors)

"""The blocks of one sensor for a command."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from processes import owner

from sensorml.config.tables import Sensor
from sensorml.drivers import file, lm75
from sensorml.errors import BusError, InUseError, ServiceError
from sensorml.recordings import write_npz
from sensorml.service import control
from sensorml.service.messages import Quiet
from sensorml.service.sensor_blocks import QUIET_S, SILENT_S, _served, open_sensor
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
    with open_sensor(sensor, tmp_path / "journal.db") as source:
        blocks = [item for item in source.items if isinstance(item, Block)]
    samples = np.concatenate([block.samples for block in blocks])
    assert [channel.name for channel in source.channels] == ["x", "y", "z"]
    assert np.array_equal(samples.ravel(), np.arange(150_000))


def test_leaving_early_stops_a_source_that_waits_for_room(tmp_path):
    sensor = recording(tmp_path / "bench.npz", 500_000)
    with open_sensor(sensor, tmp_path / "journal.db") as source:
        items = [item for item in islice(source.items, 3) if isinstance(item, Block)]
    assert items


def test_a_sensor_that_is_not_there_is_an_item_and_not_the_end(tmp_path):
    options = lm75.Options(bus="/dev/i2c-none", address=0x48)
    sensor = Sensor(name="t", driver="lm75", options=options)
    with open_sensor(sensor, tmp_path / "journal.db") as source:
        items = list(islice(source.items, 3))
    errors = [item for item in items if item is not None]
    assert errors
    assert all(isinstance(error, BusError) for error in errors)


def test_a_service_that_hangs_ends_the_items_with_that_reason():
    quiet = round(SILENT_S / QUIET_S)
    items = list(_served(iter([*[None] * (quiet - 1), Quiet(), *[None] * 2 * quiet])))
    assert [item for item in items if item is not None] == items[-1:]
    assert isinstance(items[-1], ServiceError)
    assert len(items) == 2 * quiet


def test_a_chip_in_use_is_refused_with_its_owner(tmp_path):
    options = lm75.Options(bus=7777, address=0x48)
    sensor = Sensor(name="t", driver="lm75", options=options)
    with (
        owner("address 0x48 on i2c-7777", "run", "box.toml") as process,
        pytest.raises(
            InUseError, match=rf"t: address .* process {process.pid} \(sensorml run box"
        ),
        open_sensor(sensor, tmp_path / "journal.db"),
    ):
        pass


def test_a_chip_of_a_service_that_admits_others_only_is_refused_with_the_cure(
    tmp_path, monkeypatch
):
    def connect(store):
        raise PermissionError

    monkeypatch.setattr(control, "connect", connect)  # root may use every socket
    options = lm75.Options(bus=7778, address=0x48)
    sensor = Sensor(name="t", driver="lm75", options=options)
    with (
        owner("address 0x48 on i2c-7778", "run", "box.toml"),
        pytest.raises(ServiceError, match=r"box.toml\), and .*sock admits .* use sudo"),
        open_sensor(sensor, tmp_path / "journal.db"),
    ):
        pass

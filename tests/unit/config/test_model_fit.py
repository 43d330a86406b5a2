"""Models that fit the rate, the channels and the unit of their sensor."""

from __future__ import annotations

import numpy as np
import pytest
from plant_file import GOOD, THREE, Write, problems
from support import model_folder

from sensorml.config import loading
from sensorml.recordings import write_npz


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '["x", "y", "z"]',
            '["x"]',
            "motor has 3 channels (x, y, z), the model takes 1 (x)",
        ),
        ('unit = "g"', 'unit = "m/s^2"', "motor is in g, the model takes m/s^2"),
        (
            "rate_hz = 1000.0",
            "rate_hz = 800.0",
            "motor runs at 1000 Hz, the model takes 800 Hz ± 5.0%: set rate_hz to 800",
        ),
    ],
)
def test_a_model_that_does_not_fit_its_sensor_is_refused(
    write, old, new, message
) -> None:
    path = write(GOOD)
    model_folder(path.parent / "plain", text=THREE.replace(old, new))
    [found] = problems(path)
    assert found.startswith(f"model[0].sensor: {message}")


def test_a_model_without_a_unit_is_a_warning_where_its_sensor_has_one(write) -> None:
    path = write(GOOD)
    model_folder(path.parent / "plain", text=THREE)
    before = loading.load(path).warnings
    model_folder(path.parent / "plain", text=THREE.replace('unit = "g"', 'unit = ""'))
    [warning] = [w for w in loading.load(path).warnings if w not in before]
    assert warning.key == "model[0].sensor"
    assert warning.what == "motor is in g, and the model's card has no unit"


def test_problems_of_a_model_are_reported_with_the_others(write: Write) -> None:
    path = write(GOOD.replace("gpio = 5", 'gpio = 5\npull = "left"'))
    model_folder(path.parent / "plain", text=THREE.replace("hop = 2", "hop = 0"))
    found = problems(path)
    assert found[0].startswith("sensor[1].pull: is 'left'")
    assert found[1].startswith(f"{path.parent / 'plain' / 'model.toml'}: input.hop")


RECORDED = """
[[sensor]]
name = "bench"
driver = "file"
path = "bench.npz"
[[model]]
name = "wear"
path = "plain"
sensor = "bench"
"""


def test_a_recording_lies_beside_the_file_and_must_fit_the_model(write: Write) -> None:
    path = write(RECORDED)
    [found] = problems(path)
    assert found.startswith(f"sensor[0].path: {path.parent / 'bench.npz'}: ")
    rows = np.zeros((100, 3), np.float32)
    write_npz(
        path.parent / "bench.npz",
        samples=rows,
        rate_hz=1000.0,
        channels=("x", "y", "z"),
        unit="g",
        start_ns=0,
    )
    [sensor] = loading.load(path).sensors
    assert sensor.options.path == str(path.parent / "bench.npz")

"""Hardware monitors over a folder that looks like the kernel's."""

import msgspec
import pytest
from support import Clock

from sensorml.drivers.hwmon import Driver, Options, channels
from sensorml.errors import BusError, SensorError
from sensorml.types import Channel


@pytest.fixture
def chips(tmp_path):
    write(tmp_path, "hwmon0", name="cpu_thermal", temp1_input=51234)
    write(
        tmp_path,
        "hwmon3",
        name="pwmfan",
        fan1_input=2995,
        in0_input=5120,
        curr1_input=-640,
        power1_input=3_276_800,
        humidity1_input=43_210,
        temp1_input=20_000,
        temp1_fault=0,
    )
    return tmp_path


def write(root, chip, **files):
    folder = root / "class/hwmon" / chip
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n")


def start_driver(root, **options):
    driver = Driver(Options(**options), Clock(), root)
    driver.start()
    return driver


def test_a_chip_is_found_by_its_name_and_its_inputs_are_one_row(chips):
    inputs = ("fan1", "in0", "curr1", "power1", "humidity1")
    driver = start_driver(chips, chip="pwmfan", inputs=inputs)
    block = driver.read()
    assert block.samples[0] == pytest.approx([2995, 5.12, -0.64, 3.2768, 43.21])
    assert block.samples.shape == (1, 5)


def test_the_number_of_a_chip_may_change_between_two_starts(chips):
    driver = start_driver(chips)
    (chips / "class/hwmon/hwmon0").rename(chips / "class/hwmon/hwmon7")
    with pytest.raises(BusError, match="no such file"):
        driver.read()
    driver.start()
    assert driver.read().samples[0, 0] == pytest.approx(51.234)


def test_a_chip_that_is_not_there_names_those_that_are(chips):
    with pytest.raises(BusError, match="hwmon0 = cpu_thermal, hwmon3 = pwmfan"):
        start_driver(chips, chip="nct6775")


def test_a_sensor_that_the_chip_calls_faulty_is_an_error(chips):
    driver = start_driver(chips, chip="pwmfan")
    assert driver.read().samples[0, 0] == 20.0
    write(chips, "hwmon3", temp1_fault=1)
    with pytest.raises(SensorError, match="temp1_fault"):
        driver.read()


def test_an_input_that_the_chip_has_not_is_a_bus_error(chips):
    with pytest.raises(BusError, match="fan9_input"):
        start_driver(chips, chip="pwmfan", inputs=("fan9",)).read()


def test_a_stopped_driver_cannot_be_read(chips):
    driver = start_driver(chips)
    driver.stop()
    with pytest.raises(BusError, match="not started"):
        driver.read()


def test_the_channels_have_the_units_of_their_kinds():
    found = channels(Options(inputs=("temp2", "in0", "energy1", "fan1")))
    assert [*found] == [
        Channel("temp2", "degC"),
        Channel("in0", "V"),
        Channel("energy1", "J"),
        Channel("fan1", "rpm"),
    ]


@pytest.mark.parametrize("inputs", [[], ["pwm1"], ["temp"], ["temp1_input"]])
def test_inputs_that_cannot_be_are_refused(inputs):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"inputs": inputs}, Options)

"""Temperature zones over a folder that looks like the kernel's."""

import pytest
from support import Clock

from sensorml.drivers.thermal import Driver, Options, channels
from sensorml.errors import BusError, SensorError
from sensorml.types import Channel


@pytest.fixture
def zones(tmp_path):
    for number, (kind, temp) in enumerate([("cpu-thermal", 48312), ("pmic", -4000)]):
        folder = tmp_path / f"class/thermal/thermal_zone{number}"
        folder.mkdir(parents=True)
        (folder / "type").write_text(f"{kind}\n")
        (folder / "temp").write_text(f"{temp}\n")
    return tmp_path


def start_driver(root, **options):
    driver = Driver(Options(**options), Clock(), root)
    driver.start()
    return driver


@pytest.mark.parametrize(
    ("zone", "celsius"),
    [("thermal_zone0", 48.312), ("cpu-thermal", 48.312), ("pmic", -4.0)],
)
def test_a_zone_is_found_by_its_number_and_by_its_type(zones, zone, celsius):
    block = start_driver(zones, zone=zone).read()
    assert block.samples.tolist() == [[pytest.approx(celsius)]]


def test_a_zone_that_is_not_there_names_those_that_are(zones):
    with pytest.raises(BusError, match="'gpu', but thermal_zone0 = cpu-thermal, "):
        start_driver(zones, zone="gpu")


def test_a_temperature_that_cannot_be_is_an_error(zones):
    driver = start_driver(zones)
    (zones / "class/thermal/thermal_zone0/temp").write_text("-274000\n")
    with pytest.raises(SensorError, match="is impossible"):
        driver.read()


def test_a_zone_that_goes_away_is_a_bus_error(zones):
    driver = start_driver(zones)
    (zones / "class/thermal/thermal_zone0/temp").unlink()
    with pytest.raises(BusError, match="no such file"):
        driver.read()
    driver.stop()
    with pytest.raises(BusError, match="not started"):
        driver.read()


def test_its_channel_needs_no_hardware():
    assert [*channels(Options(zone="nowhere"))] == [Channel("temperature", "degC")]

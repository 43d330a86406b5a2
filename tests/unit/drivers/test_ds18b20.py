"""DS18B20 over a folder that looks like the kernel's."""

import msgspec
import pytest
from support import Clock

from sensorml.drivers.ds18b20 import Driver, Options, channels
from sensorml.errors import BusError, SensorError
from sensorml.types import Channel

ONE, OTHER = "28-0316a2794dff", "28-0316a2794e00"


class Wire:
    def __init__(self, root):
        self.root = root
        self.clock = Clock()

    def hang(self, chip, text="21562\n"):
        folder = self.root / "bus/w1/devices" / chip
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "temperature").write_text(text)

    def driver(self, **options):
        driver = Driver(Options(**options), self.clock, self.root)
        driver.start()
        return driver


@pytest.fixture
def wire(tmp_path):
    return Wire(tmp_path)


def test_the_only_one_needs_no_id(wire):
    wire.hang(ONE)
    block = wire.driver().read()
    assert block.samples.tolist() == [[pytest.approx(21.562)]]
    assert (block.rate_hz, block.start_ns) == (1.0, wire.clock.now_ns)


def test_one_of_several_is_chosen_by_id(wire):
    wire.hang(ONE, "20000\n")
    wire.hang(OTHER, "-10125\n")
    assert wire.driver(id=OTHER).read().samples[0, 0] == -10.125
    with pytest.raises(BusError, match=f"{ONE}, {OTHER}: choose one by id"):
        wire.driver()


def test_an_empty_wire_and_a_wrong_id_are_reported_with_the_present_chips(wire):
    with pytest.raises(BusError, match=r"no 28-\*: check the wiring"):
        wire.driver()
    wire.hang(ONE)
    with pytest.raises(BusError, match=f"no '{OTHER}', but {ONE}"):
        wire.driver(id=OTHER)


def test_a_chip_that_is_pulled_off_is_a_bus_error_and_comes_back(wire):
    wire.hang(ONE)
    driver = wire.driver()
    file = wire.root / "bus/w1/devices" / ONE / "temperature"
    file.unlink()
    with pytest.raises(BusError, match="no such file"):
        driver.read()
    driver.stop()
    wire.hang(ONE)
    driver.start()
    assert driver.read().missed == 0


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("what?", "'what"),
        ("85000\n", "before the first conversion"),
        ("127937\n", "outside"),
        ("-56000\n", "outside"),
        ("nan\n", "'nan' is no number"),
    ],
)
def test_what_is_not_a_measurement_is_an_error(wire, text, what):
    wire.hang(ONE, text)
    with pytest.raises(SensorError, match=what):
        wire.driver().read()


def test_85_degrees_are_believed_when_it_was_nearly_that_warm(wire):
    wire.hang(ONE, "84500\n")
    driver = wire.driver()
    driver.read()
    wire.hang(ONE, "85000\n")
    assert driver.read().samples[0, 0] == 85.0
    driver.start()
    with pytest.raises(SensorError):
        driver.read()


def test_reads_that_were_left_out_are_missed(wire):
    wire.hang(ONE)
    driver = wire.driver()
    driver.read()
    wire.clock.advance(4)
    assert driver.read().missed == 3


def test_a_stopped_driver_cannot_be_read(wire):
    wire.hang(ONE)
    driver = wire.driver()
    driver.stop()
    driver.stop()
    with pytest.raises(BusError, match="not started"):
        driver.read()


def test_its_channel_and_its_own_thread():
    assert [*channels(Options())] == [Channel("temperature", "degC")]
    assert Options().thread == "w1"


@pytest.mark.parametrize("wrong", [{"id": "10-000802b4ba0e"}, {"rate_hz": 2}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Options)

"""Industrial I/O of another computer, by a binding that behaves like libiio's."""

import errno
import os
import sys
from types import SimpleNamespace

import msgspec
import pytest
from support import Clock

from sensorml.drivers.iio import Driver, Options
from sensorml.errors import BusError, SensorError

URI = "ip:192.168.1.5"


class Box:
    """Another computer: its devices, and the connections to it."""

    def __init__(self):
        self.devices = {}
        self.away = 0
        self.connections = 0

    def put(self, number, name, *channels):
        made = [
            SimpleNamespace(box=self, output=o, id=i, attrs=a) for i, o, a in channels
        ]
        self.devices[number] = (name, made)

    def check(self):
        if self.away:
            raise OSError(self.away, os.strerror(self.away))


class Attribute:
    def __init__(self, box, text):
        self.box, self.text = box, text

    @property
    def value(self):
        self.box.check()
        return self.text


def module(boxes):
    """Make the part of pylibiio that is used, over boxes by their URI."""

    class Context:
        box = None

        def __init__(self, uri):
            if uri not in boxes:
                raise OSError(errno.EHOSTUNREACH, "No route to host")
            boxes[uri].check()
            self.box = boxes[uri]
            self.box.connections += 1

        def __del__(self):
            if self.box is not None:
                self.box.connections -= 1

        def set_timeout(self, timeout):
            assert timeout > 0

        @property
        def devices(self):
            return [
                SimpleNamespace(id=number, name=name, channels=channels)
                for number, (name, channels) in self.box.devices.items()
            ]

    return SimpleNamespace(Context=Context)


def channel(box, name, *, output=False, **attributes):
    texts = {what: Attribute(box, str(value)) for what, value in attributes.items()}
    return name, output, texts


@pytest.fixture
def box(monkeypatch):
    box = Box()
    accel = [
        channel(box, f"accel_{axis}", raw=raw, scale="0.038245935", calibbias=0)
        for axis, raw in zip("xyz", (256, -128, 0), strict=True)
    ]
    temp = channel(box, "temp", raw=-1200, offset=12420, scale="2.941176")
    box.put("iio:device0", "adxl345", *accel, temp)
    box.put("iio:device1", "bmp280", channel(box, "pressure", input="100.651253906"))
    box.put("iio:device2", None, channel(box, "voltage0", output=True, raw=7))
    monkeypatch.setitem(sys.modules, "iio", module({URI: box}))
    return box


def start_driver(**options):
    driver = Driver(Options(uri=URI, **options), Clock())
    driver.start()
    return driver


def read(**options):
    return start_driver(**options).read().samples[0].tolist()


def test_raw_values_are_scaled_as_those_of_this_computer(box):
    inputs = ("accel_x", "accel_y", "accel_z", "temp")
    g = 0.038245935 / 9.80665
    expected = [256 * g, -128 * g, 0.0, (-1200 + 12420) * 2.941176 / 1000]
    assert read(device="adxl345", inputs=inputs) == pytest.approx(expected)


def test_what_the_kernel_there_has_worked_out_is_only_converted(box):
    assert read(device="bmp280", inputs=("pressure",)) == pytest.approx([100651.254])


def test_a_device_may_be_called_by_its_number(box):
    assert read(device="iio:device1", inputs=("pressure",))


def test_a_device_that_is_not_there_names_those_that_are(box):
    there = "but iio:device0 = adxl345, iio:device1 = bmp280, iio:device2: correct"
    with pytest.raises(BusError, match=there):
        start_driver(device="sht3x")
    assert not box.connections


def test_an_input_that_is_not_there_or_is_an_output_names_the_inputs(box):
    with pytest.raises(BusError, match="no humidity: its inputs are pressure"):
        start_driver(device="bmp280", inputs=("humidity",))
    with pytest.raises(BusError, match="no voltage0: its inputs are none"):
        start_driver(device="iio:device2", inputs=("voltage0",))


def test_a_computer_that_is_away_is_a_bus_error_and_can_come_back(box):
    driver = start_driver(device="bmp280", inputs=("pressure",))
    box.away = errno.EPIPE
    with pytest.raises(BusError, match=r"pressure_input: Broken pipe: check") as caught:
        driver.read()
    assert caught.value.errno == errno.EPIPE
    box.away = errno.ECONNREFUSED
    with pytest.raises(BusError, match=f"{URI}: no connection .*refused.*iiod runs"):
        driver.start()
    box.away = 0
    driver.start()
    assert driver.read() is not None


def test_one_connection_is_open_between_start_and_stop(box):
    driver = start_driver(device="bmp280", inputs=("pressure",))
    driver.start()
    assert box.connections == 1
    driver.stop()
    assert box.connections == 0
    with pytest.raises(BusError, match="not started"):
        driver.read()


def test_nonsense_is_a_sensor_error(box):
    box.put("iio:device3", "sick", channel(box, "temp", input="nan"))
    driver = start_driver(device="sick")
    with pytest.raises(SensorError, match="sick, temp_input: 'nan' is no number"):
        driver.read()


@pytest.mark.parametrize(
    "binding", ["raise ImportError", "raise AttributeError('iio_get_backends_count')"]
)
def test_without_the_binding_or_its_library_the_cure_is_named(
    monkeypatch, tmp_path, binding
):
    (tmp_path / "iio.py").write_text(binding)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "iio", raising=False)
    with pytest.raises(BusError, match=r"apt install libiio0, and pip install"):
        start_driver()


def test_only_this_computers_devices_are_read_without_the_binding(
    monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, "iio", None)
    with pytest.raises(BusError, match="no iio:device"):
        Driver(Options(), Clock(), tmp_path).start()


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"uri": URI, "buffered": True}, "remove buffered"),
        ({"uri": URI, "rate_hz": 200.0}, "too much for polling"),
        ({"uri": URI, "device": "Ölpumpe"}, "ASCII"),
        ({"uri": "192.168.1.5"}, "uri"),
        ({"uri": "ip:ö"}, "uri"),
    ],
)
def test_what_cannot_be_at_a_uri_is_refused(table, why):
    with pytest.raises(msgspec.ValidationError, match=why):
        msgspec.convert(table, Options)


def test_devices_of_one_computer_share_a_thread():
    first, second = (Options(uri=URI, device=name) for name in ("a", "b"))
    assert first.thread == second.thread
    assert first.thread != Options(device="a").thread

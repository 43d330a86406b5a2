"""Industrial I/O over a folder that looks like the kernel's."""

import msgspec
import pytest
from support import Clock

from sensorml.drivers.iio import Driver, Options, channels
from sensorml.errors import BusError, SensorError
from sensorml.types import Channel


@pytest.fixture
def devices(tmp_path):
    folder = tmp_path / "bus/iio/devices"
    write(folder / "iio:device0", name="bmp280", in_temp_input=22160)
    write(folder / "iio:device0", in_pressure_input=100.651253906)
    write(folder / "iio:device1", name="mpu6050", in_accel_scale=0.000598)
    for axis, raw in zip("xyz", (16384, -8192, 0), strict=True):
        write(folder / "iio:device1", **{f"in_accel_{axis}_raw": raw})
    write(folder / "iio:device1", in_temp_raw=-1200, in_temp_offset=12420)
    write(folder / "iio:device1", in_temp_scale=2.941176)
    write(folder / "iio:device2", name="ads1015", in_voltage0_raw=1000)
    write(folder / "iio:device2", in_voltage0_scale=3.0, in_voltage_scale=9.0)
    write(folder / "iio:device2", **{"in_voltage0-voltage1_raw": -500})
    write(folder / "iio:device2", **{"in_voltage-voltage_scale": 2.0})
    write(folder / "iio:device2", in_count0_raw=7)
    return tmp_path


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n")


def read(root, **options):
    driver = Driver(Options(**options), Clock(), root)
    driver.start()
    return driver.read().samples[0].tolist()


def test_what_the_kernel_has_worked_out_is_only_converted(devices):
    values = read(devices, device="bmp280", inputs=("temp", "pressure"))
    assert values == pytest.approx([22.16, 100651.254])


def test_a_scale_is_shared_by_the_axes(devices):
    inputs = ("accel_x", "accel_y", "accel_z")
    values = read(devices, device="mpu6050", inputs=inputs)
    assert values == pytest.approx([0.99909, -0.49954, 0.0], abs=1e-4)


def test_the_offset_is_added_before_the_scale(devices):
    values = read(devices, device="mpu6050", inputs=("temp",))
    assert values == pytest.approx([(-1200 + 12420) * 2.941176 / 1000])


def test_a_channels_own_scale_replaces_the_shared_one(devices):
    inputs = ("voltage0", "voltage0-voltage1", "count0")
    values = read(devices, device="iio:device2", inputs=inputs)
    assert values == pytest.approx([3.0, -1.0, 7.0])


def test_the_channels_have_si_units_and_accelerations_g():
    inputs = ("accel_x", "temp", "voltage0-voltage1", "pressure", "count0")
    found = [(c.name, c.unit) for c in channels(Options(inputs=inputs))]
    assert found == [
        Channel("accel_x", "g"),
        Channel("temp", "degC"),
        Channel("voltage0-voltage1", "V"),
        Channel("pressure", "Pa"),
        Channel("count0", ""),
    ]


def test_a_device_and_an_input_that_are_not_there_name_those_that_are(devices):
    with pytest.raises(BusError, match="iio:device0 = bmp280, iio:device1 = mpu6050"):
        read(devices, device="sht3x")
    with pytest.raises(BusError, match="in_humidity_raw: its inputs are pressure"):
        read(devices, device="bmp280", inputs=("humidity",))


def test_a_device_that_goes_away_is_a_bus_error_and_nonsense_is_one_too(devices):
    driver = Driver(Options(device="bmp280"), Clock(), devices)
    driver.start()
    file = devices / "bus/iio/devices/iio:device0/in_temp_input"
    file.write_text("broken\n")
    with pytest.raises(SensorError, match="'broken' is no number"):
        driver.read()
    file.unlink()
    with pytest.raises(BusError, match="no such file"):
        driver.read()
    driver.stop()
    with pytest.raises(BusError, match="not started"):
        driver.read()


def test_sensors_of_one_device_share_a_thread_that_others_do_not():
    assert Options(device="bmp280").thread != Options(device="mpu6050").thread


@pytest.mark.parametrize("inputs", [[], ["../temp"], ["Temp"]])
def test_inputs_that_cannot_be_are_refused(inputs):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"inputs": inputs}, Options)

"""The load of a bus, against the arithmetic of the data sheets; and its messages."""

import re

import pytest

from sensorml.commands import check
from sensorml.config import loading
from sensorml.drivers import adxl345, lm75, mpu6050
from sensorml.errors import ConfigError

TWO = """
[[sensor]]
name = "motor"
driver = "adxl345"
bus = 1
rate_hz = {rate_hz}

[[sensor]]
name = "pump"
driver = "mpu6050"
bus = {other}
rate_hz = 1000
"""


@pytest.fixture
def write(tmp_path):
    def write_file(rate_hz=800, other=1, more=""):
        path = tmp_path / "plant.toml"
        path.write_text(TWO.format(rate_hz=rate_hz, other=other) + more)
        return path

    return write_file


def check_file(path, capsys):
    code = check.run(type("Args", (), {"config": path}))
    return code, *capsys.readouterr()


def problems(path):
    with pytest.raises(ConfigError) as refused:
        loading.load(path)
    return [str(problem) for problem in refused.value.problems]


def test_a_row_of_an_adxl345_is_a_read_of_six_bytes_and_a_share_of_a_status_read():
    traffic = adxl345.Options(rate_hz=800).traffic(adxl345)
    # 30 + 9 n bits a read; a start is saved within a transfer, or a stop.
    row, status = 30 + 9 * 6, 30 + 9 * 1
    expected = 800 * row + status / adxl345.Driver(adxl345.Options()).period_s
    assert traffic.bits_per_s == pytest.approx(expected, rel=0.02)


def test_a_row_of_an_mpu6050_is_six_bytes_of_a_burst():
    traffic = mpu6050.Options(rate_hz=1000).traffic(mpu6050)
    period_s = mpu6050.Driver(mpu6050.Options(rate_hz=1000)).period_s
    expected = 1000 * 9 * 6 + (30 + 30 + 9 * 2) / period_s
    assert traffic.bits_per_s == pytest.approx(expected, rel=0.02)


def test_a_slow_sensor_is_measured_over_its_own_periods():
    traffic = lm75.Options(rate_hz=0.01).traffic(lm75)
    assert traffic.rows == 16
    assert 0 < traffic.bits_per_s < 10


@pytest.mark.parametrize(
    "options", [{"interrupt_gpio": 25}, {"mux": {"address": 0x70, "channel": 2}}]
)
def test_how_a_chip_is_wired_does_not_keep_it_from_being_measured(options, tmp_path):
    path = tmp_path / "plant.toml"
    extra = "\n".join(
        f"{k} = {v}"
        if isinstance(v, int)
        else f"{k} = {{{', '.join(f'{a} = {b}' for a, b in v.items())}}}"
        for k, v in options.items()
    )
    path.write_text(
        f'[[sensor]]\nname = "m"\ndriver = "adxl345"\nrate_hz = 1600\n{extra}\n'
    )
    assert "i2c-1 would carry 13" in str(loading.load(path).warnings[0])


def test_more_than_a_fast_bus_carries_is_refused(write):
    path = write(
        rate_hz=3200,
        more='[[sensor]]\nname = "x"\ndriver = "adxl345"\n'
        "address = 0x1D\nrate_hz = 1600",
    )
    [problem] = problems(path)
    pattern = (
        r"sensor\[0\].rate_hz: i2c-1 would carry 4\d\d kbit/s "
        r"\(motor 27\d, pump 5[\d.]+, x 13\d\): "
        r"a bus at 400 kHz carries 400, lower rate_hz of motor, "
    )
    assert re.search(pattern, problem)


def test_more_than_the_usual_is_a_warning_on_stderr_and_good(write, capsys):
    code, out, err = check_file(write(rate_hz=800), capsys)
    assert (code, out) == (0, "")
    load, *_, good = err.splitlines()
    assert load.startswith("warning: ")
    assert "i2c_arm_baudrate=400000" in load
    assert "Pi 3" not in load
    assert good.endswith(": good: 2 sensors, 0 models, 0 alarms, 0 sinks")


def test_a_load_above_a_pi_3_is_reported(write, capsys):
    _, _, err = check_file(write(rate_hz=3200), capsys)
    assert "on a Pi 3 that is 250 kHz, too slow" in err


def test_sensors_on_two_buses_are_not_added_up(write, capsys):
    code, _, err = check_file(write(other=3), capsys)
    assert (code, "would carry" in err) == (0, False)


def test_a_bus_is_one_however_it_is_spelled(write):
    path = write(rate_hz=1600, other='"/dev/i2c-1"')
    [warning] = loading.load(path).warnings
    assert "i2c-1 would carry" in str(warning)
    assert "pump" in str(warning)
    assert "i2c_arm_baudrate" in str(warning)
    known = '[[bus]]\nnumber = "/dev/i2c-1"\nspeed_hz = 100_000\n'
    [problem] = problems(write(rate_hz=1600, more=known))
    assert "a bus at 100 kHz carries 100" in problem


def test_the_speed_of_a_simulated_bus_is_refused(write):
    text = '[[bus]]\nnumber = "sim"\nspeed_hz = 100_000\n'
    [problem] = problems(write(other='"sim"', more=text))
    assert "bus[0].number: is 'sim': give a whole number at least 0 or " in problem


@pytest.mark.parametrize("other", ['"sim"'])
def test_a_simulated_chip_loads_no_bus(write, capsys, other):
    _, _, err = check_file(write(other=other), capsys)
    assert "would carry" not in err


def test_a_bus_with_a_configured_speed_is_checked_against_it(write, capsys):
    known = "[[bus]]\nnumber = 1\nspeed_hz = {}\n"
    code, _, err = check_file(write(more=known.format(400_000)), capsys)
    assert (code, "would carry" in err) == (0, False)
    [problem] = problems(write(more=known.format(100_000)))
    assert "a bus at 100 kHz carries 100" in problem
    code, *_ = check_file(write(rate_hz=3200, more=known.format(1_000_000)), capsys)
    assert code == 0


def test_a_table_of_a_bus_that_is_not_used_or_used_twice_is_wrong(write):
    one = "[[bus]]\nnumber = {}\nspeed_hz = 400_000\n"
    [problem] = problems(write(more=one.format(7)))
    assert "bus[0].number: no sensor is on bus 7" in problem
    [problem] = problems(write(more=one.format(1) + one.format(1)))
    assert "bus[1].number: bus 1 has two tables" in problem
    [problem] = problems(write(more="[[bus]]\nnumber = 1\n"))
    assert "bus[0].speed_hz: missing" in problem
    assert "write it [[bus]]" in problems(write(more="[bus]\nnumber = 1\n"))[0]


def test_a_driver_without_a_simulated_chip_has_an_unknown_load(monkeypatch):
    monkeypatch.setattr(adxl345.Driver, "name", "nosuchchip")
    assert adxl345.Options().traffic(adxl345) is None

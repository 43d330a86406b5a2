"""BME280: its own behaviour; the rest is in contracts/test_polled_chips.py."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Clock

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.bme280 import (
    Counts,
    Driver,
    Options,
    Trim,
    channels,
    decode,
    unpack,
    unpack_trim,
)
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import bme280, bmp390


def bench(simulated, **options):
    bus = SimBus({0x76: simulated})
    options = Options(bus="sim", **options)
    return Driver(options, lambda o, c: I2cConnection(bus, o, c), Clock())


TRIM = Trim(
    (27504, 26435, -1000),
    (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000),
    (75, 370, 0, 307, 50, 30),
)


def test_the_trimming_of_the_chip_is_what_is_unpacked():
    chip = bme280.Chip()
    chip.write(b"\x88")
    first = chip.read(26)
    chip.write(b"\xe1")
    assert unpack_trim(first, chip.read(7)) == TRIM


def test_a_row_follows_from_the_counts_by_the_formulas():
    chip = bme280.Chip()
    driver = bench(chip)
    driver.start()
    expected = decode(Counts(*chip.counts), TRIM)
    assert driver.read().samples[0].tolist() == pytest.approx(expected, rel=1e-6)
    assert 0 < expected[2] < 100


def integers_of_section_4_2_3(count, t_fine, trim):
    """Humidity by the 32-bit formula of the data sheet, in % × 1024."""
    h1, h2, h3, h4, h5, h6 = trim
    x = t_fine - 76800
    v = ((count << 14) - (h4 << 20) - h5 * x + 16384) >> 15
    v *= (
        ((((x * h6) >> 10) * (((x * h3) >> 11) + 32768)) >> 10) + 2097152
    ) * h2 + 8192 >> 14
    v -= ((((v >> 15) * (v >> 15)) >> 7) * h1) >> 4
    return min(max(v, 0), 419430400) >> 12


@given(st.integers(20_000, 45_000), st.integers(400_000, 600_000))
def test_the_humidity_agrees_with_the_integer_formula(h, t):
    celsius, _, percent = decode(Counts(t, 415_148, h), TRIM)
    integers = integers_of_section_4_2_3(h, round(celsius * 5120), TRIM.h)
    assert percent == pytest.approx(integers / 1024, abs=0.05)


def test_all_three_are_what_another_library_makes_of_the_same_bytes():
    """RPi.bme280 (rm-hull/bme280), tests/test_bme280.py, which has hPa."""
    trim = Trim((20, 21, 22), (10, 11, 12, 13, 14, 15, 16, 17, 18), (0, 1, 4, 3, 5, 6))
    values = decode(unpack(bytes(range(8))), trim)
    expected = (0.0030482932925224304, 880179051.8824806, 0.02082886288568924)
    assert values == pytest.approx(expected, rel=1e-12)


@given(*[st.integers(0, 2**20 - 1)] * 2, st.integers(0, 2**16 - 1))
def test_the_counts_come_out_as_they_were_packed(t, p, h):
    data = (p << 4).to_bytes(3, "big") + (t << 4).to_bytes(3, "big")
    assert unpack(data + h.to_bytes(2, "big")) == (t, p, h)


@pytest.mark.parametrize(
    ("counts", "what"),
    [
        ((0x80000, 0x80000, 0x8000), "nothing was measured"),
        ((519_888, 415_148, 0x8000), "BMP280 has no humidity"),
        ((1_000_000, 415_148, 30_000), "outside"),
        ((519_888, 1_000_000, 30_000), "outside"),
    ],
)
def test_what_cannot_be_is_an_error_and_no_number(counts, what):
    chip = bme280.Chip()
    driver = bench(chip)
    driver.start()
    chip.counts = counts
    with pytest.raises(SensorError, match=what):
        driver.read()


@pytest.mark.parametrize("identity", [0x56, 0x57, 0x58])
def test_the_humidity_of_a_bmp280_is_absent_and_not_0(identity):
    chip = bme280.Chip(identity=identity)
    driver = bench(chip)
    assert driver.start() == (
        f"bme280 at 0x76 on i2c-sim: identity register 0xd0 is {identity:#04x}, that "
        "of BMP280, and is read as BME280: its humidity is absent, write chip = "
        '"bmp280"'
    )
    celsius, pascal, percent = driver.read().samples[0].tolist()
    assert (celsius, pascal) == pytest.approx(
        decode(Counts(*chip.counts), TRIM)[:2], rel=1e-6
    )
    assert math.isnan(percent)


@pytest.mark.parametrize("identity", [0x58, 0x60])
def test_a_bmp280_that_is_configured_has_two_channels(identity):
    driver = bench(bme280.Chip(identity=identity), chip="bmp280")
    assert driver.start() is None
    assert driver.read().samples.shape == (1, 2)
    names = [channel.name for channel in channels(Options(chip="bmp280"))]
    assert names == ["temperature", "pressure"]


@pytest.mark.parametrize(("identity", "name"), [(0x55, "BMP180"), (0x61, "BME680")])
def test_a_chip_with_other_registers_is_named_and_not_read(identity, name):
    with pytest.raises(SensorError, match=f"that of {name}"):
        bench(bme280.Chip(identity=identity)).start()


def test_another_identity_is_used_with_a_warning():
    driver = bench(bme280.Chip(identity=0x62))
    assert "0x62" in driver.start()
    assert driver.read().samples.shape == (1, 3)


def test_it_starts_again_while_it_measures():
    driver = bench(bme280.Chip())
    driver.start()
    driver.start()
    assert driver.read().samples.shape == (1, 3)


def test_a_bmp390_is_refused_with_its_driver():
    with pytest.raises(SensorError, match='driver = "bmp390"'):
        bench(bmp390.Chip()).start()

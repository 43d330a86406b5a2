"""Lines, addresses and devices that two tables of a configuration use."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorml.config import loading
from sensorml.errors import ConfigError


@pytest.fixture
def problems_of(tmp_path: Path):
    """Return what is problem of the sensors, each a line of its keys."""

    def problems(*sensors: str) -> list[str]:
        path = tmp_path / "plant.toml"
        path.write_text(
            "".join(
                f'[[sensor]]\nname = "s{i}"\n' + keys.replace("; ", "\n") + "\n"
                for i, keys in enumerate(sensors)
            )
        )
        try:
            found = loading.load(path).warnings
        except ConfigError as refused:
            found = refused.problems
        return [str(each).removeprefix(f"{path}: ") for each in found]

    return problems


def gpio(line: object) -> str:
    return f'driver = "gpio"; gpio = {line}'


ADXL = 'driver = "adxl345"; rate_hz = 25; bus = "{}"'
LM75 = 'driver = "lm75"'
W1 = 'driver = "ds18b20"; id = "{}"'


def test_a_line_with_many_jobs_is_one_problem(problems_of) -> None:
    assert problems_of(*map(gpio, (17, '"GPIO17"', '"BOARD11"', '" bcm17 "'))) == [
        (
            "sensor[0].gpio: GPIO line 17 is used 4 times: sensor[1].gpio, "
            "sensor[2].gpio, sensor[3].gpio use it too, leave it to one"
        )
    ]


@pytest.mark.parametrize("other", ["spi0.00", "spi00.0"])
def test_a_chip_select_is_one_however_it_is_spelled(problems_of, other) -> None:
    assert problems_of(ADXL.format("spi0.0"), ADXL.format(other)) == [
        (
            "sensor[0].bus: chip select spi0.0 is used twice: "
            "sensor[1].bus uses it too, change one"
        )
    ]


@pytest.mark.parametrize(
    ("driver", "key", "name"),
    [
        (W1.format("28-0316a2794dff"), "id", "ds18b20 device 28-0316a2794dff"),
        ('driver = "ds18b20"', "id", "ds18b20 device that is the only one"),
        ('driver = "iio"; device = "bmp280"', "device", "iio device bmp280"),
        (
            'driver = "iio"; uri = "ip:10.0.0.5"',
            "device",
            "iio device ip:10.0.0.5 iio:device0",
        ),
    ],
)
def test_a_device_of_the_kernels_with_two_sensors_is_warned_of(
    problems_of, driver, key, name
) -> None:
    assert problems_of(driver, driver) == [
        (
            f"sensor[0].{key}: the {name} is used twice: "
            f"sensor[1].{key} uses it too, change one"
        )
    ]


def test_two_devices_of_the_kernels_are_two(problems_of) -> None:
    assert problems_of(W1.format("28-0316a2794dff"), W1.format("28-0316a2794de0")) == []


@pytest.mark.parametrize(
    ("bus", "wires"),
    [
        (LM75, (2, 3)),
        (ADXL.format("spi0.0"), (7, 8, 9, 10, 11)),
        (W1.format(""), (4,)),
        (LM75 + "; bus = 3", ()),
        (LM75 + '; bus = "sim"', ()),
        (ADXL.format("spi1.0"), ()),
    ],
)
def test_a_line_that_is_a_bus_wire_on_a_pi_is_warned_of(
    problems_of, bus, wires
) -> None:
    used = [
        n
        for n in range(28)
        if any("twice" in each for each in problems_of(bus, gpio(n)))
    ]
    assert used == [*wires]


def test_the_warning_of_a_bus_wire_names_the_bus_and_who_is_on_it(problems_of) -> None:
    assert problems_of(gpio(2), LM75) == [
        (
            "sensor[0].gpio: GPIO line 2 is used twice on a Raspberry Pi: "
            "sensor[1] (i2c-1) uses it too, change one"
        )
    ]


def test_a_pis_own_label_of_a_line_is_that_line_there(problems_of) -> None:
    [problem] = problems_of(gpio(17), gpio('"label:GPIO17"'))
    assert problem == (
        "sensor[1].gpio: label:GPIO17 is line 17 on a Raspberry Pi: "
        "sensor[0].gpio uses it too, change one"
    )
    assert problems_of(gpio(17), gpio('"label:GPIO18"'), gpio('"label:P9_12"')) == []


ALARM = """
[[alarm]]
name = "{name}"
sensor = "s0"
when = {{above = 1}}
{keys}
"""
MODEL = """
[[model]]
name = "{name}"
path = "models/demo"
sensor = "s1"
trigger = {{{keys}}}
"""
WARM = LM75 + '; bus = "sim"'
SHAKEN = 'driver = "adxl345"; rate_hz = 800; bus = "sim"; range_g = 4\n'


def tables(text: str, *keys: str) -> str:
    """Tables of one kind, each with its keys."""
    return "".join(text.format(name=f"t{i}", keys=each) for i, each in enumerate(keys))


@pytest.mark.parametrize(
    "sharing",
    [
        tables(ALARM, "acknowledge_gpio = 27", 'acknowledge_gpio = "BOARD13"'),
        tables(ALARM, "arm_gpio = 5", "arm_gpio = 5", 'arm_gpio = "GPIO5"'),
        tables(MODEL, "gpio = 6", 'gpio = "BOARD31", delay_s = 0.5'),
    ],
)
def test_inputs_of_one_kind_may_share_a_line(problems_of, sharing) -> None:
    assert problems_of(WARM, SHAKEN + sharing) == []


@pytest.mark.parametrize(
    ("sharing", "keys"),
    [
        (
            tables(ALARM, "acknowledge_gpio = 27", "arm_gpio = 27"),
            ["alarm[0].acknowledge_gpio", "alarm[1].arm_gpio"],
        ),
        (
            tables(ALARM, "acknowledge_gpio = 27", "gpio = 27"),
            ["alarm[0].acknowledge_gpio", "alarm[1].gpio"],
        ),
        (
            tables(MODEL, "gpio = 6", 'gpio = 6, edge = "falling"'),
            ["model[0].trigger.gpio", "model[1].trigger.gpio"],
        ),
    ],
)
def test_inputs_of_two_kinds_may_not(problems_of, sharing, keys) -> None:
    [problem] = problems_of(WARM, SHAKEN + sharing)
    assert "is used twice" in problem
    assert all(key in problem for key in keys)

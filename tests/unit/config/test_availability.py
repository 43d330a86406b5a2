"""Warnings about what a configuration requires and the machine lacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sensorml.commands import check
from sensorml.config import availability, loading
from sensorml.hardware.devices import Node, OneWireMaster
from sensorml.hardware.facts import Facts
from sensorml.hardware.gpio_chips import LineInfo, lines
from sensorml.hardware.tree import Tree

ROOTS = Path(__file__).parents[2] / "rootfs"


@pytest.fixture
def warnings_on(tmp_path: Path):
    """Return the warnings for sensors, each a line of its keys, on a machine."""

    def warnings(*sensors: str, on: Facts, held=None) -> list[str]:
        path = tmp_path / "plant.toml"
        path.write_text(
            "".join(
                f'[[sensor]]\nname = "s{i}"\n' + keys.replace("; ", "\n") + "\n"
                for i, keys in enumerate(sensors)
            )
        )
        found = availability.warnings(loading.load(path), on, held or {})
        return [str(each).removeprefix(f"{path}: ") for each in found]

    return warnings


def machine(name: str) -> Facts:
    return Facts.gather(ROOTS / name)


def lm75(bus: str) -> str:
    return f'driver = "lm75"; bus = {bus}'


def gpio(line: object) -> str:
    return f'driver = "gpio"; gpio = {line}'


ENABLE = "enable I2C (raspi-config), plug its adapter in, or correct bus"


@pytest.mark.parametrize(
    ("bus", "reason"),
    [
        ("7", f"there is no i2c-7 on this machine, only i2c-1: {ENABLE}"),
        (
            '"/dev/i2c-nothing"',
            f"there is no /dev/i2c-nothing on this machine, only i2c-1: {ENABLE}",
        ),
        ('"/dev/gpiochip0"', "there is no /dev/gpiochip0 on this machine, only i2c-1"),
        (
            '"usb:9-9"',
            (
                "usb:9-9: there is no I2C adapter on that port, nor on any other: "
                "plug it in there, or correct bus"
            ),
        ),
    ],
)
def test_an_absent_bus_is_reported_with_the_others(warnings_on, bus, reason) -> None:
    [warning] = warnings_on(lm75(bus), on=machine("raspberry-pi-5"))
    assert warning.startswith(f"sensor[0].bus: {reason}")


def test_an_absent_chip_select_is_reported_with_the_present_ones(warnings_on) -> None:
    chips = [f'driver = "adxl345"; bus = "spi{bus}"' for bus in ("0.0", "9.9")]
    assert warnings_on(*chips, on=machine("raspberry-pi-5")) == [
        (
            "sensor[1].bus: there is no spi9.9 on this machine, only spi0.0: enable "
            "SPI (raspi-config, or dtparam=spi=on in config.txt), or correct bus"
        )
    ]


def test_a_machine_without_any_bus_is_reported(warnings_on) -> None:
    facts = replace(machine("raspberry-pi-5"), i2c=(), spi=())
    for sensor in (lm75("1"), 'driver = "adxl345"; bus = "spi0.0"'):
        [warning] = warnings_on(sensor, on=facts)
        assert "on this machine, nor any other: enable " in warning


def test_a_bus_without_its_node_wants_the_kernels_module(warnings_on) -> None:
    facts = machine("raspberry-pi-5")
    [adapter] = facts.i2c
    facts = replace(
        facts, i2c=(replace(adapter, node=replace(adapter.node, exists=False)),)
    )
    [warning] = warnings_on(lm75("1"), on=facts)
    assert "i2c-1 is there, but not /dev/i2c-1: load the module i2c-dev" in warning


def test_an_absent_bus_is_reported_once_for_all_its_sensors(warnings_on) -> None:
    chips = [lm75("7") + f"; address = {0x48 + i}" for i in range(4)]
    assert len(warnings_on(*chips, on=machine("raspberry-pi-5"))) == 1


def test_present_and_simulated_buses_are_no_warning(warnings_on, tmp_path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/i2c-1").touch()
    (tmp_path / "dev/i2c-motor").symlink_to("i2c-1")
    facts = replace(machine("raspberry-pi-5"), root=str(tmp_path))
    chips = [lm75("1"), lm75('"/dev/i2c-motor"'), lm75('"sim"')]
    assert warnings_on(*chips, on=facts) == []


def one_wire(count: int, *, writable: bool) -> Facts:
    path = "/sys/bus/w1/devices/w1_bus_master1/therm_bulk_read"
    bulk = Node(path, exists=True, readable=True, writable=writable)
    ids = tuple(f"28-0316a27900{i:02x}" for i in range(count))
    master = OneWireMaster("w1_bus_master1", ids, bulk)
    return replace(machine("raspberry-pi-5"), one_wire=(master,))


def test_thermometers_that_cannot_measure_together_are_reported_once(
    warnings_on,
) -> None:
    sensors = [f'driver = "ds18b20"; id = "28-0316a27900{i:02x}"' for i in range(2)]
    [warning] = warnings_on(*sensors, on=one_wire(2, writable=False))
    assert "therm_bulk_read cannot be written, so its DS18B20 measure one" in warning
    assert warnings_on(*sensors, on=one_wire(2, writable=True)) == []
    assert warnings_on(sensors[0], on=one_wire(1, writable=False)) == []


def test_a_machine_without_1_wire_is_reported(warnings_on) -> None:
    [warning] = warnings_on('driver = "ds18b20"', on=machine("raspberry-pi-5"))
    assert warning == (
        "sensor[0].driver: there is no 1-Wire bus on this machine: add "
        "dtoverlay=w1-gpio to config.txt"
    )


FREE = LineInfo("", "")


@pytest.mark.parametrize(
    ("root", "chip"),
    [("raspberry-pi-4b", "gpiochip0"), ("beaglebone-ai-64", "gpiochip1")],
)
def test_a_held_line_of_the_header_is_reported_with_its_holder(
    warnings_on, root, chip
) -> None:
    others = {"gpiochip2": [LineInfo("", "other")] * 6}
    held = {**others, chip: [*[FREE] * 5, LineInfo("", "gpio-fan"), FREE]}
    assert warnings_on(gpio(5), gpio(6), on=machine(root), held=held) == [
        (
            'sensor[0].gpio: GPIO line 5 is held by "gpio-fan": stop that program or '
            "remove its dtoverlay; or use another line"
        )
    ]


def test_a_line_may_be_held_by_the_service_that_is_checked(warnings_on) -> None:
    held = {"gpiochip0": [LineInfo("GPIO0", "lg")]}
    [warning] = warnings_on(gpio(0), on=machine("raspberry-pi-4b"), held=held)
    assert "unless that is this service, running" in warning


def test_a_line_with_a_label_is_looked_for_on_every_chip(warnings_on) -> None:
    held = {
        "gpiochip0": [LineInfo("P9_11", "")],
        "gpiochip2": [LineInfo("LED", "leds"), LineInfo("P9_12", "")],
    }
    lines = [gpio(f'"label:{label}"') for label in ("P9_11", "LED", "P9_12", "P9_13")]
    held_one, missing = warnings_on(*lines, on=machine("beaglebone-ai-64"), held=held)
    assert held_one.startswith('sensor[1].gpio: the GPIO line LED is held by "leds"')
    assert missing.startswith(
        "sensor[3].gpio: no GPIO line of this machine has the label P9_13"
    )


@pytest.mark.parametrize(
    ("root", "last"),
    [("raspberry-pi-4b", 27), ("raspberry-pi-5", 27), ("jetson-nano", 255)],
)
def test_a_number_above_the_last_line_is_reported(warnings_on, root, last) -> None:
    facts = machine(root)
    [warning] = warnings_on(gpio(last), gpio(last + 1), on=facts)
    assert warning.startswith(
        f"sensor[1].gpio: there is no GPIO line {last + 1} on this machine: "
    )
    assert f"use one of 0 to {last}, the lines of " in warning


@pytest.mark.parametrize("root", ["pc", "generic-linux"])
def test_without_a_header_lines_are_no_warning(warnings_on, root) -> None:
    assert warnings_on(gpio(99), gpio('"label:P9_12"'), on=machine(root)) == []


def test_the_nodes_of_a_captured_machine_are_not_opened_on_this_one() -> None:
    facts = machine("raspberry-pi-4b")
    tree = Tree.at(Path(facts.root))
    assert [lines(tree, chip) for chip in facts.gpio] == [[], []]


def test_check_warns_and_finds_the_file_good(tmp_path, capsys) -> None:
    path = tmp_path / "plant.toml"
    path.write_text('[[sensor]]\nname = "a"\ndriver = "lm75"\nbus = 1048575\n')
    assert check.run(type("Args", (), {"config": path})) == 0
    warning, good = capsys.readouterr().err.splitlines()
    assert warning.startswith(
        f"warning: {path}: sensor[0].bus: there is no i2c-1048575"
    )
    assert ": good: 1 sensor, 0 models" in good


SINK = """
device = "{device}"

[[sensor]]
name = "m"
driver = "sim"

[[sink]]
driver = "influxdb"
url = "http://127.0.0.1:8086"
api = "v1"
database = "plant"
token_file = "token"
"""


@pytest.fixture
def box(tmp_path):
    """A configuration with a sink whose token is in a file beside it."""
    (tmp_path / "token").write_text("secret")
    path = tmp_path / "box.toml"

    def warnings(mode: int, device: str = "mill-3") -> list[str]:
        (tmp_path / "token").chmod(mode)
        path.write_text(SINK.format(device=device))
        facts = machine("pi4")
        return [str(p) for p in availability.warnings(loading.load(path), facts, {})]

    return warnings


def test_a_secret_that_every_user_can_read_is_warned_of(box, tmp_path):
    token = tmp_path / "token"
    [warning] = box(0o644)
    assert warning.endswith(
        f"sink[0].token_file: {token} can be read by every user: chmod o= {token}"
    )
    assert box(0o640) == []


def test_the_host_name_of_a_fresh_image_is_warned_of(box):
    [warning] = box(0o600, "raspberrypi")
    assert 'device: "raspberrypi" is the name of many machines: set device' in warning

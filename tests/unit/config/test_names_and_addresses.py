"""Names of tables and addresses of chips, each of which is given once."""

from __future__ import annotations

import pytest
from plant_file import GOOD, Write, problems

from sensorml.config import loading

CHIPS = """
[[sensor]]
name = "a"
driver = "mpu6050"
bus = 1
address = {0}
[[sensor]]
name = "b"
driver = "mpu6050"
bus = {1}
"""


def test_an_address_on_a_bus_has_one_chip(write: Write) -> None:
    for bus in (1, '"/dev/i2c-1"', '"/dev//i2c-1"'):
        assert problems(write(CHIPS.format("0x68", bus))) == [
            (
                "sensor[0].address: address 0x68 on i2c-1 is used twice: "
                "sensor[1].address uses it too, change one"
            )
        ]


@pytest.mark.parametrize(("address", "bus"), [("0x69", 1), ("0x68", 3)])
def test_another_address_or_another_bus_is_another_place(write, address, bus) -> None:
    assert len(loading.load(write(CHIPS.format(address, bus))).sensors) == 2


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("sensor", '[[sensor]]\nname = "door"\ndriver = "sim"\n'),
        ("model", '[[model]]\nname = "wear"\npath = "plain"\nsensor = "motor"\n'),
        ("alarm", '[[alarm]]\nname = "bad"\nmodel = "wear"\n'),
        (
            "sink",
            (
                '[[sink]]\ndriver = "influxdb"\nurl = "http://b"\n'
                'api = "v1"\ndatabase = "d"\n'
            ),
        ),
    ],
)
def test_a_name_is_given_once(write: Write, kind: str, table: str) -> None:
    [found] = problems(write(GOOD + table))
    assert found.startswith(f"{kind}[")
    assert "is used twice: rename one" in found


def test_tables_without_a_name_are_not_reported_as_duplicates(write: Write) -> None:
    nameless = '[[model]]\npath = "plain"\nsensor = "motor"\n'
    found = problems(write(GOOD + nameless + nameless))
    assert found == [f"model[{i}].name: missing: give it a name" for i in (1, 2)]

"""Outputs of the kernel: every level that a line has had."""

from __future__ import annotations

from pathlib import Path

import pytest
from gpio_chips import INPUT, OUTPUT, PULL_DOWN, PULL_UP, GpioChips

from sensorml.errors import BusError
from sensorml.gpio import lines as gpio
from sensorml.gpio.factory import KernelLine
from sensorml.gpio.kernel import Flag, LineRequest, Place, configuration

RELAY = Place(0, 17)


@pytest.fixture(autouse=True)
def chips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> GpioChips:
    def kernel_line(line: int) -> KernelLine:
        return KernelLine(Place(0, line), "up" if line == 2 else "")

    monkeypatch.setattr(gpio, "kernel_line", kernel_line)
    return GpioChips.install(monkeypatch, tmp_path, {0: 28})


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("active", ["high", "low"])
def test_an_output_has_its_level_from_the_first_moment(chips, active, initial) -> None:
    level = initial == (active == "high")
    output = gpio.open_output(17, active=active, initial=initial)
    assert chips.lines[RELAY].history == [level]
    assert output.value is initial
    output.close(initial)
    assert chips.lines[RELAY].history == [level]


def test_an_output_that_is_closed_and_opened_again_is_driven_throughout(chips) -> None:
    gpio.open_output(17, active="low", initial=True).close(True)
    again = gpio.open_output(17, active="low", initial=True)
    assert chips.lines[RELAY].history == [False]
    again.set(False)
    assert chips.lines[RELAY].history == [False, True]


def test_a_closed_output_of_a_chip_that_came_back_is_claimed_anew(
    chips, monkeypatch, tmp_path
) -> None:
    gpio.open_output(17, active="high", initial=True).close(True)

    def gone(_request: LineRequest, _config: bytes) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr(LineRequest, "configure", gone)
    gpio.open_output(17, active="high", initial=True)
    assert chips.lines[RELAY].holder == "sensorml 17"


@pytest.mark.parametrize(
    ("active", "safe", "pull"),
    [
        ("high", True, PULL_UP),
        ("high", False, PULL_DOWN),
        ("low", True, PULL_DOWN),
        ("low", False, PULL_UP),
    ],
)
def test_the_pull_of_an_output_leads_to_its_safe_level(
    chips, active, safe, pull
) -> None:
    gpio.open_output(17, active=active, initial=not safe, safe=safe)
    assert chips.lines[RELAY].flags == OUTPUT | pull


def test_an_output_on_a_line_with_a_resistor_gets_no_other_pull(chips) -> None:
    gpio.open_output(2, active="high", initial=False)
    assert chips.lines[0, 2].flags == OUTPUT


def test_a_line_has_one_owner_who_is_named(chips) -> None:
    gpio.open_output(17, active="high", initial=True)
    with pytest.raises(BusError, match='GPIO 17: busy, held by "sensorml 17": name a'):
        gpio.open_output(17, active="high", initial=False)
    assert chips.lines[RELAY].history == [True]


def test_a_request_changes_from_output_to_input_without_a_release(chips) -> None:
    line = chips.lines[RELAY]
    request = LineRequest(RELAY, configuration(Flag.OUTPUT, high=True), "test")
    request.configure(configuration(Flag.INPUT | Flag.PULL_DOWN))
    assert (line.flags, line.holder, request.high) == (INPUT | PULL_DOWN, "test", False)
    request.close()
    assert line.holder == ""


def test_a_long_name_of_a_holder_is_cut_for_the_kernel(chips) -> None:
    request = LineRequest(
        RELAY, configuration(Flag.INPUT), "sensorml label:" + 40 * "x"
    )
    assert chips.lines[RELAY].holder == "sensorml label:" + 16 * "x"
    request.close()

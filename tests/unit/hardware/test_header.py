"""The header's chip, on machines whose chips have other numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sensorml.hardware.boards import Board, boards, identify
from sensorml.hardware.facts import Facts
from sensorml.hardware.gpio_chips import GpioChip
from sensorml.hardware.header import header_chip
from sensorml.resources import folders

ROOTS = Path(__file__).parents[2] / "rootfs"
BOARDS = boards(folders("boards", site=Path("/nonexistent")))


def board(name: str, **labels: str) -> tuple[Facts, Board]:
    """Return a board whose chips have these labels, gpiochip4="pinctrl-rp1"."""
    facts = Facts.gather(ROOTS / name)
    chips = [GpioChip(chip, label, 54, usable=True) for chip, label in labels.items()]
    return replace(facts, gpio=tuple(chips)), identify(facts, BOARDS)


@pytest.mark.parametrize("number", [0, 4, 15])
def test_a_pi_5s_header_is_found_whatever_its_number(number: int) -> None:
    chips = {"gpiochip1": "gpio-brcmstb@7d508500", f"gpiochip{number}": "pinctrl-rp1"}
    assert header_chip(*board("raspberry-pi-5", **chips)) == number


def test_a_pi_without_a_board_file_is_recognised_by_its_chip() -> None:
    chips = {"gpiochip0": "pinctrl-bcm2835", "gpiochip1": "brcmvirt-gpio"}
    assert header_chip(*board("generic-linux", **chips)) == 0


def test_another_boards_header_is_the_one_its_file_names() -> None:
    chips = {"gpiochip0": "42110000.gpio", "gpiochip2": "600000.gpio"}
    assert header_chip(*board("beaglebone-ai-64", **chips)) == 2


def test_unknown_chips_are_no_header() -> None:
    assert header_chip(*board("pc", gpiochip0="INT34C6:00")) is None

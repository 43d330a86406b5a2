"""Which GPIO chip is the board's header: by label, for its number moves."""

from __future__ import annotations

from typing import Final

from sensorml.hardware.boards import Board, boards, identify
from sensorml.hardware.facts import Facts
from sensorml.hardware.gpio_chips import GpioChip
from sensorml.hardware.tree import parse_int
from sensorml.resources import folders

_PI_LABELS: Final = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""Raspberry Pi's kernel, drivers/pinctrl: for those that have no file in boards/.

A machine has one of them at most.
"""
_PI_LINES: Final = 28
"""The chip has more, for the SD card and the like; gpiozero knows the header's."""


def header_chip(facts: Facts, board: Board) -> int | None:
    """Return N of the header's /dev/gpiochipN, or None when nothing says which."""
    labels = (board.gpio.chip_label,) if board.gpio else _PI_LABELS
    for chip in facts.gpio:
        if chip.label in labels:
            return parse_int(chip.name.removeprefix("gpiochip"))
    return None


def header_lines(chip: GpioChip) -> int | None:
    """Return how many lines of the header's chip have a number; None: not known."""
    return _PI_LINES if chip.label in _PI_LABELS else chip.lines


def header_chip_here(*, shipped: bool = False) -> int | None:
    """Return N of this machine's header chip, as `header_chip`.

    Args:
        shipped: Go by the boards that came with sensorml, and by no others.

    Raises:
        ConfigError: a file in boards/ is wrong.
    """
    known = folders("boards")[: 1 if shipped else None]
    facts = Facts.gather()
    return header_chip(facts, identify(facts, boards(known)))

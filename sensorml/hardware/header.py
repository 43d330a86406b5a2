"""The GPIO chip of the board's header, found by label, because its number changes."""

from __future__ import annotations

from typing import Final

from sensorml.hardware.boards import Board, boards, identify
from sensorml.hardware.facts import Facts
from sensorml.hardware.gpio_chips import GpioChip
from sensorml.hardware.tree import parse_int
from sensorml.resources import folders

_PI_LABELS: Final = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""Labels in Raspberry Pi's kernel (drivers/pinctrl), for boards without a file in
boards/. A machine has at most one of them."""
_PI_LINES: Final = 28
"""The lines on the header; the chip has more, for example for the SD card."""


def header_chip(facts: Facts, board: Board) -> int | None:
    """Return N of the header's /dev/gpiochipN, or None if it is unknown."""
    labels = (board.gpio.chip_label,) if board.gpio else _PI_LABELS
    for chip in facts.gpio:
        if chip.label in labels:
            return parse_int(chip.name.removeprefix("gpiochip"))
    return None


def header_lines(chip: GpioChip) -> int | None:
    """Return the number of lines of the header's chip; None: unknown."""
    return _PI_LINES if chip.label in _PI_LABELS else chip.lines


def header_chip_here(*, shipped: bool = False) -> int | None:
    """Return N of this machine's header chip, as `header_chip`.

    Args:
        shipped: use only the boards that sensorml ships.

    Raises:
        ConfigError: a file in boards/ is wrong.
    """
    known = folders("boards")[: 1 if shipped else None]
    facts = Facts.gather()
    return header_chip(facts, identify(facts, boards(known)))

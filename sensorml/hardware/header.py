"""Which GPIO chip is the board's header: by label, for its number moves."""

from __future__ import annotations

from typing import Final

from sensorml.hardware.descriptors import Board, boards, identify
from sensorml.hardware.facts import Facts
from sensorml.hardware.files import parse_int
from sensorml.resources import folders

_PI_LABELS: Final = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""Raspberry Pi's kernel, drivers/pinctrl: for those that have no file in boards/.

A machine has one of them at most.
"""


def header_chip(facts: Facts, board: Board) -> int | None:
    """Return N of the header's /dev/gpiochipN, or None when nothing says which."""
    labels = (board.gpio.chip_label,) if board.gpio else _PI_LABELS
    for chip in facts.gpio:
        if chip.label in labels:
            return parse_int(chip.name.removeprefix("gpiochip"))
    return None


def header_chip_here() -> int | None:
    """Return N of this machine's header chip, as `header_chip`.

    Raises:
        ConfigError: a file in boards/ is wrong.
    """
    facts = Facts.gather()
    return header_chip(facts, identify(facts, boards(folders("boards"))))

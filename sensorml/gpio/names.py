"""Names of GPIO lines, as a person writes them and as this program compares them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final, TypeAlias

from sensorml.errors import OptionError
from sensorml.schema import nearest

LineName: TypeAlias = int | str
"""A BCM number (17), a name ("GPIO17"), a pin of the 40-pin header ("BOARD11") or a
label of the kernel ("label:P9_12")."""

LABEL: Final = "label:"

_MOST_LINES: Final = 0xFFFF
"""A chip's number of lines is a u16: linux/gpio/driver.h, struct gpio_chip."""
_PI_4B: Final = 0xC03111
"""A revision whose 40-pin header is that of every Raspberry Pi since the B+."""


def line_of(name: LineName) -> LineName:
    """Return the canonical name of a line: its number, or "label:…". No hardware.

    >>> line_of("BOARD11"), line_of("j8:11"), line_of("GPIO17"), line_of(" 17")
    (17, 17, 17, 17)
    >>> line_of("label:P9_12")
    'label:P9_12'

    Raises:
        OptionError: there is no such line.
    """
    text = str(name).strip()
    if text.startswith(LABEL) and text != LABEL:
        return text
    if text.isdecimal():
        if len(text) > 5 or int(text) >= _MOST_LINES:
            raise OptionError(
                f"there is no line {text}",
                f"no chip has more than {_MOST_LINES}, count from 0",
            )
        return int(text)
    lines, others = _header()
    word = text.upper()
    if word in lines:
        return lines[word]
    if word in others:
        what = f"{text} is {others[word]}, no GPIO line"
        raise OptionError(what, f"use one of {_words(lines)}")
    cure = nearest(word, [name for name in lines if name.startswith(("GP", "BO"))])
    if not cure.startswith("did") or word.startswith(("GPIO", "BOARD")):
        cure = f"use one of {_words(lines)};"  # only the number is wrong
    cure += f' write "{LABEL}…" for a label that gpioinfo lists'
    raise OptionError(f"there is no line {text!r}", cure)


def _words(lines: Mapping[str, int]) -> str:
    last = max(lines.values())
    return f'0 to {last}, "GPIO0" to "GPIO{last}", "BOARD3" to "BOARD40"'


@cache
def _header() -> tuple[dict[str, int], dict[str, str]]:
    """Return the header's lines by every name they have, and its other pins."""
    from gpiozero.pins.pi import PiBoardInfo

    lines: dict[str, int] = {}
    others: dict[str, str] = {}
    for pin in PiBoardInfo.from_revision(_PI_4B).headers["J8"].pins.values():
        for name in map(str, pin.names):
            if "gpio" not in pin.interfaces:
                others[name] = pin.name
            elif not name.isdecimal():
                lines[name] = int(pin.name.removeprefix("GPIO"))
    return lines, others

"""lgpio's pins below gpiozero, on any chip of any board.

gpiozero supports Raspberry Pis: it has the names of their lines, and on a Pi 5 it
uses gpiochip4 if it exists, else gpiochip0. Here the chip is a parameter, and the
lines of any other board are found by number only.

An import of this module imports lgpio, which creates its FIFO at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import lgpio
from gpiozero import PinUnknownPi
from gpiozero.pins import PinInfo
from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin


class _Pin(LGPIOPin):  # type: ignore[misc]  # gpiozero comes without types
    """A pin whose duty cycle is not rounded to whole per cent.

    The full range of a servo is 5 % of its 20 ms.
    """

    _number: int
    _pwm: tuple[float, float] | None  # Hz, per cent; set by the parent class

    def __init__(self, factory: PiChip, info: PinInfo) -> None:
        try:
            super().__init__(factory, info)
        except lgpio.error as err:
            user = lgpio.gpio_get_line_info(factory.handle, self._number)[_USER]
            if not user:
                raise
            raise lgpio.error(f'{err.value}, held by "{user}"') from err

    def _set_state(self, value: float) -> None:
        if self._pwm:
            self._pwm = (self._pwm[0], 100 * value)
            lgpio.tx_pwm(self.factory.handle, self._number, *self._pwm)
        else:
            super()._set_state(value)


class PiChip(LGPIOFactory):  # type: ignore[misc]  # gpiozero comes without types
    """The chip of a Raspberry Pi's header; None: gpiozero's choice."""

    def __init__(self, chip: int | None = None) -> None:
        super().__init__(chip=chip)
        self.pin_class = _Pin

    @property
    def handle(self) -> int:
        return int(self._handle)


class PlainChip(PiChip):
    """A chip whose lines have numbers, but no names."""

    def __init__(self, chip: int) -> None:
        super().__init__(chip)
        # gpiozero's local factories share these, but a line's number is unique
        # only on its chip.
        self.pins: dict[PinInfo, _Pin] = {}
        self._reservations: dict[PinInfo, list[object]] = defaultdict(list)
        self._lines = _Lines(int(lgpio.gpio_get_chip_info(self.handle)[1]))

    def _get_board_info(self) -> _Lines:
        return self._lines


class _Lines:
    """The replacement of gpiozero's board: finds pins by number or "GPIO<number>"."""

    def __init__(self, count: int) -> None:
        self._count = count

    def find_pin(self, name: int | str) -> Iterator[tuple[None, PinInfo]]:
        digits = str(name).removeprefix("GPIO")
        if digits.isdecimal() and int(digits) < self._count:
            number = int(digits)
            label = f"GPIO{number}"
            names = frozenset({number, str(number), label})
            yield None, PinInfo(number, label, names, "", 1, 1, frozenset({"gpio"}))


def open_chip(chip: int | None) -> PiChip:
    """Open the header's chip; None: that of a Raspberry Pi.

    Raises:
        PinUnknownPi: no chip is given, and this is no Raspberry Pi.
        lgpio.error: it cannot be opened.
    """
    opened = PiChip(chip)
    try:
        _ = opened.board_info
    except PinUnknownPi:
        opened.close()
        if chip is None:
            raise
        return PlainChip(chip)
    return opened


def labelled(chips: Iterable[int]) -> dict[str, list[tuple[int, int]]]:
    """Return the lines, as (chip, number), of every label that the kernel gives.

    A chip that cannot be opened is left out.
    """
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for chip in chips:
        try:
            handle = lgpio.gpiochip_open(chip)
        except lgpio.error:
            continue
        try:
            for number in range(lgpio.gpio_get_chip_info(handle)[1]):
                label = lgpio.gpio_get_line_info(handle, number)[_NAME]
                if label:
                    places[str(label)].append((chip, number))
        finally:
            lgpio.gpiochip_close(handle)
    return places


_NAME: Final = 3
_USER: Final = 4
"""Indices of the tuple (status, number, flags, name, user) that lgpio returns."""

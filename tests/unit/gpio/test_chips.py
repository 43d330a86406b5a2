"""Chips by number and lines by label, over a simulated lgpio."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from gpio_chips import GpioChips

from sensorml.errors import BusError
from sensorml.gpio import factory as gpiopins
from sensorml.gpio import lines as gpio

PI_5 = 0xD04170
OUTPUT = 1 << 1


class LgpioError(Exception):
    """The root of what lgpio raises."""

    def __init__(self, value: str) -> None:
        self.value = value

    def __str__(self) -> str:
        return repr(self.value)


class FakeLgpio(ModuleType):
    """Chips with labelled lines that hold modes, levels and pulses."""

    SET_PULL_UP, SET_PULL_DOWN, SET_PULL_NONE = 32, 64, 128
    RISING_EDGE, FALLING_EDGE, BOTH_EDGES = 1, 2, 3
    error = LgpioError

    def __init__(self, chips: dict[int, list[str]]) -> None:
        super().__init__("lgpio")
        self.chips = chips
        self.denied: set[int] = set()
        self.held: dict[tuple[int, int], str] = {}
        self.opened: list[int] = []
        self.modes: dict[tuple[int, int], int] = {}
        self.levels: dict[tuple[int, int], bool] = {}
        self.pulses: dict[tuple[int, int], tuple[float, float]] = {}

    def gpiochip_open(self, chip: int) -> int:
        if chip not in self.chips or chip in self.denied:
            raise LgpioError("can not open gpiochip")
        self.opened.append(chip)
        return chip

    def gpiochip_close(self, handle: int) -> None:
        self.opened.remove(handle)

    def gpio_get_chip_info(self, handle: int) -> list[object]:
        return [0, len(self.chips[handle]), f"gpiochip{handle}", ""]

    def gpio_get_line_info(self, handle: int, line: int) -> list[object]:
        return [0, line, 0, self.chips[handle][line], self.held.get((handle, line), "")]

    def gpio_claim_input(self, handle: int, line: int, flags: int = 0) -> None:
        self._there(handle, line)
        self.modes[handle, line] = flags

    def gpio_claim_output(self, handle: int, line: int) -> None:
        self._there(handle, line)
        self.modes[handle, line] = OUTPUT
        self.levels[handle, line] = False

    def gpio_get_mode(self, handle: int, line: int) -> int:
        return self.modes[handle, line]

    def gpio_free(self, handle: int, line: int) -> None:
        del self.modes[handle, line]

    def gpio_write(self, handle: int, line: int, level: bool) -> None:
        self.levels[handle, line] = level

    def gpio_read(self, handle: int, line: int) -> bool:
        return self.levels.get((handle, line), False)

    def tx_pwm(self, handle: int, line: int, hz: float, percent: float) -> None:
        if hz > 10_000:
            raise LgpioError("bad PWM frequency")
        self.pulses[handle, line] = (hz, percent)

    def _there(self, handle: int, line: int) -> None:
        if not line < len(self.chips[handle]):
            raise LgpioError("bad GPIO number")
        if (handle, line) in self.held:
            raise LgpioError("GPIO busy")


@pytest.fixture
def lgpio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeLgpio]:
    """A board with a header on chip 4 and another chip beside it."""
    fake = FakeLgpio(
        {4: [*(f"H{n}" for n in range(54))], 7: ["P9_11", "P9_12", "LED", "LED"]}
    )
    for chip in fake.chips:
        (tmp_path / f"gpiochip{chip}").touch()
    monkeypatch.setitem(sys.modules, "lgpio", fake)
    for module in ("gpiozero.pins.lgpio", "sensorml.gpio.chips"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(gpiopins, "DEV", tmp_path)
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY", raising=False)
    monkeypatch.setattr(gpiopins._Header, "find", lambda: None)
    revision(monkeypatch, None)
    forget()
    yield fake
    forget()
    for module in ("gpiozero.pins.lgpio", "sensorml.gpio.chips"):
        sys.modules.pop(module, None)


@pytest.fixture
def kernel(lgpio: FakeLgpio, monkeypatch, tmp_path: Path) -> GpioChips:
    """The same chips at the kernel's own calls, from which outputs are requested."""
    return GpioChips.install(
        monkeypatch, tmp_path, {n: len(labels) for n, labels in lgpio.chips.items()}
    )


def revision(monkeypatch: pytest.MonkeyPatch, value: int | None) -> None:
    """Be a Raspberry Pi of a revision, or none."""
    from gpiozero import PinUnknownPi
    from gpiozero.pins import local

    monkeypatch.setattr(local.LocalPiFactory, "pins", {})
    monkeypatch.setattr(local.LocalPiFactory, "_reservations", _reservations())

    def read() -> int:
        if value is None:
            raise PinUnknownPi("unable to locate Pi revision")
        return value

    monkeypatch.setattr(local, "get_pi_revision", read)


def _reservations() -> dict[object, list[object]]:
    from collections import defaultdict

    return defaultdict(list)


def forget() -> None:
    for cached in (gpiopins.factory, gpiopins._other, gpiopins._labelled):
        cached.cache_clear()


def test_a_pi_5_drives_the_configured_chip(lgpio, kernel, monkeypatch) -> None:
    revision(monkeypatch, PI_5)
    gpiopins.use_chip(lambda: 4)
    gpio.open_output("BOARD11", active="high", initial=True)
    assert kernel.levels() == {(4, 17): True}


def test_another_chip_of_the_header_is_opened_anew(
    lgpio, monkeypatch, tmp_path
) -> None:
    revision(monkeypatch, PI_5)
    lgpio.chips[0] = lgpio.chips.pop(4)
    kernel = GpioChips.install(monkeypatch, tmp_path, {0: 54})
    gpiopins.use_chip(lambda: 0)
    gpio.open_output(17, active="high", initial=True)
    assert kernel.levels() == {(0, 17): True}


def test_a_board_that_is_no_pi_has_its_lines_by_number(lgpio, kernel) -> None:
    gpiopins.use_chip(lambda: 4)
    output = gpio.open_output(50, active="high", initial=True)
    assert kernel.levels() == {(4, 50): True}
    with pytest.raises(BusError, match='GPIO 50: busy, held by "sensorml 50"'):
        gpio.open_output(50, active="high", initial=False)
    output.close(False)
    assert kernel.levels() == {(4, 50): False}


def test_a_line_that_another_program_holds_is_refused_with_that_programs_name(
    lgpio,
    kernel,
) -> None:
    gpiopins.use_chip(lambda: 4)
    kernel.lines[4, 17].holder = "gpio-fan"
    with pytest.raises(BusError, match='GPIO BOARD11: busy, held by "gpio-fan"'):
        gpio.open_output("BOARD11", active="high", initial=True)


def test_an_error_about_access_names_the_headers_chip(
    lgpio, kernel, monkeypatch, tmp_path
) -> None:
    gpiopins.use_chip(lambda: 7)
    lgpio.denied = {4, 7}
    monkeypatch.setattr(gpiopins.os, "access", lambda _path, _mode: False)
    with pytest.raises(BusError, match=r"access to .*gpiochip7: add .* group gpio"):
        gpio.open_output(1, active="high", initial=True)


def test_a_number_that_the_chip_lacks_is_refused(lgpio) -> None:
    gpiopins.use_chip(lambda: 4)
    with pytest.raises(BusError, match="GPIO 54: 54 is not a valid pin name"):
        gpio.open_output(54, active="high", initial=True)


def test_an_unknown_board_is_refused(lgpio) -> None:
    lgpio.chips[0] = lgpio.chips[4]
    with pytest.raises(BusError, match="GPIO cannot be opened: unable to locate Pi"):
        gpio.open_output(17, active="high", initial=True)
    assert lgpio.opened == []


def test_a_label_is_found_on_whichever_chip_has_it(lgpio, kernel) -> None:
    gpiopins.use_chip(lambda: 4)
    gpio.open_output("label:P9_12", active="high", initial=True)
    gpio.open_output(1, active="high", initial=False)
    assert kernel.levels() == {(7, 1): True, (4, 1): False}


def test_a_line_by_label_and_by_number_is_one_line(lgpio, kernel) -> None:
    gpiopins.use_chip(lambda: 4)
    held = gpio.open_output("label:H9", active="high", initial=True)
    with pytest.raises(BusError, match='held by "sensorml label:H9"'):
        gpio.open_output(9, active="high", initial=True)
    held.close(False)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("P9_13", "no line has this label: did you mean P9_1"),
        ("LED", "two lines have this label: use a number"),
    ],
)
def test_a_label_that_does_not_name_one_line_is_refused(lgpio, label, said) -> None:
    gpiopins.use_chip(lambda: 4)
    with pytest.raises(BusError, match=f"GPIO label:{label}: {said}"):
        gpio.open_output(f"label:{label}", active="high", initial=True)


def test_a_chip_that_may_not_be_opened_hides_its_labels_only(lgpio, kernel) -> None:
    gpiopins.use_chip(lambda: 4)
    lgpio.denied.add(7)
    gpio.open_output("label:H3", active="high", initial=True)
    assert kernel.levels() == {(4, 3): True}
    with pytest.raises(BusError, match="no line has this label"):
        gpio.open_output("label:P9_11", active="high", initial=True)


def test_pulses_have_the_duty_cycle_to_a_hundredth_of_a_per_cent(lgpio) -> None:
    gpiopins.use_chip(lambda: 4)
    servo = gpio.open_pwm(18, frequency_hz=50.0)
    servo.set(0.0755)
    assert lgpio.pulses == {(4, 18): (50.0, 7.55)}
    servo.close()
    assert lgpio.pulses == {(4, 18): (0, 0)}
    assert lgpio.levels == {(4, 18): False}


def test_pulses_that_lgpio_refuses_name_the_line_and_let_go_of_it(lgpio) -> None:
    gpiopins.use_chip(lambda: 4)
    with pytest.raises(BusError, match=r"GPIO 18: .*bad PWM frequency"):
        gpio.open_pwm(18, frequency_hz=20_000.0)
    gpio.open_pwm(18, frequency_hz=1000.0)

"""GPIO lines over gpiozero's own simulated pins, which are state machines."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory, MockPWMPin

from sensorml.errors import BusError
from sensorml.gpio import factory as gpiopins
from sensorml.gpio import lines as gpio
from sensorml.gpio.names import LineName


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    gpiopins.factory.cache_clear()
    yield gpiopins.factory()
    gpiopins.factory.cache_clear()


def listen(line: LineName = 22, **options: object) -> tuple[gpio.InputLine, list[bool]]:
    heard: list[bool] = []

    def changed(active: bool, _at_ns: int) -> None:
        heard.append(active)

    return gpio.open_input(line, on_change=changed, **options), heard


@pytest.mark.parametrize("line", [17, "GPIO17", "BOARD11"])
def test_a_line_has_three_names(lines: MockFactory, line: LineName) -> None:
    gpio.open_output(line, active="high", initial=True)
    assert lines.pin(17).function == "output"
    assert lines.pin(17).state


@pytest.mark.parametrize(("active", "level"), [("high", True), ("low", False)])
def test_on_is_the_active_level(
    lines: MockFactory, active: gpio.Level, level: bool
) -> None:
    output = gpio.open_output(17, active=active, initial=False)
    assert (lines.pin(17).state, output.value) == (not level, False)
    output.set(True)
    assert (lines.pin(17).state, output.value) == (level, True)


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("active", ["high", "low"])
def test_a_closed_output_stays_driven_at_its_safe_level(
    lines: MockFactory, active: gpio.Level, safe: bool
) -> None:
    output = gpio.open_output(17, active=active, initial=safe)
    output.set(not safe)
    output.close(safe)
    assert lines.pin(17).function == "output"
    assert lines.pin(17).state == (safe == (active == "high"))


def test_a_closed_output_refuses_to_be_set_and_closes_only_once(
    lines: MockFactory,
) -> None:
    output = gpio.open_output(17, active="high", initial=False)
    output.close(True)
    output.close(False)
    assert lines.pin(17).state
    with pytest.raises(BusError, match="closed"):
        output.set(False)


def test_a_line_has_one_owner_until_it_is_closed() -> None:
    first = gpio.open_output(17, active="high", initial=False)
    with pytest.raises(BusError, match=r"BOARD11: .*by this program \(as 17\)"):
        listen("BOARD11")
    first.close(False)
    listen("BOARD11")


@pytest.mark.parametrize("line", [99, "BOARD1", "door"])
def test_a_line_that_is_none_is_named_with_the_ways_to_name_one(
    line: LineName,
) -> None:
    with pytest.raises(BusError, match=f'GPIO {line}.*BCM number.*"BOARD11"'):
        gpio.open_output(line, active="high", initial=False)


def test_a_button_to_ground_is_true_while_it_is_pressed(lines: MockFactory) -> None:
    button, heard = listen()
    lines.pin(22).drive_low()
    assert button.value is True
    lines.pin(22).drive_high()
    assert button.value is False
    assert heard == [True, False]


def test_the_active_level_may_be_given_against_the_pull(lines: MockFactory) -> None:
    contact, heard = listen(pull="up", active="high")
    assert contact.value is True
    lines.pin(22).drive_low()
    assert heard == [False]


@pytest.mark.parametrize(
    ("pull", "set_to"), [("up", "up"), ("down", "down"), ("none", "floating")]
)
def test_an_input_has_the_configured_pull_and_bounce_time(
    lines: MockFactory, pull: gpio.Pull, set_to: str
) -> None:
    listen(pull=pull, bounce_s=0.05)
    pin = lines.pin(22)
    assert (pin.pull, pin.bounce, pin.edges) == (set_to, 0.05, "both")


def test_a_pull_against_the_resistor_of_the_board_is_refused() -> None:
    with pytest.raises(BusError, match="GPIO 3"):
        listen(3, pull="down")
    listen(3, pull="up")


def test_a_closed_input_reports_nothing_and_releases_the_line(
    lines: MockFactory,
) -> None:
    line, heard = listen()
    line.close()
    lines.pin(22).drive_low()
    assert heard == []
    _, heard_by_the_next = listen()
    line.close()  # once more: the line is another's now
    lines.pin(22).drive_low()
    assert heard_by_the_next == [True]


class BrokenPin(MockPWMPin):
    """A line that the kernel no longer lets anyone read or drive."""

    broken = False

    def _get_state(self) -> bool:
        if self.broken:
            raise OSError(5, "Input/output error")
        return super()._get_state()

    def _set_state(self, value: bool) -> None:
        if self.broken:
            raise OSError(5, "Input/output error")
        super()._set_state(value)


def test_a_line_that_fails_names_itself_and_is_free_after_close(
    lines: MockFactory,
) -> None:
    lines.pin(17, pin_class=BrokenPin)
    output = gpio.open_output(17, active="high", initial=False)
    lines.pin(17, pin_class=BrokenPin).broken = True
    with pytest.raises(BusError, match=r"GPIO 17: .*Input/output error"):
        output.set(True)
    with pytest.raises(BusError, match="GPIO 17"):
        _ = output.value
    with pytest.raises(BusError, match="GPIO 17"):
        output.close(True)
    lines.pin(17, pin_class=BrokenPin).broken = False
    gpio.open_output(17, active="high", initial=False)


def test_gpiozero_does_not_let_go_of_the_lines_at_exit() -> None:
    # What it closes at exit is what its default factory holds.
    gpio.open_output(17, active="high", initial=True)
    assert Device.pin_factory is None


def test_a_machine_without_chips_simulates_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY")
    monkeypatch.setattr(gpiopins, "DEV", tmp_path)
    gpiopins.factory.cache_clear()
    assert gpio.simulated() is True
    assert gpio.open_output(17, active="high", initial=True).value is True


def test_the_environment_chooses_the_simulation_too() -> None:
    assert gpio.simulated() is True


def test_a_chip_without_its_library_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY")
    monkeypatch.setitem(sys.modules, "lgpio", None)  # as if it were not installed
    for module in ("gpiozero.pins.lgpio", "sensorml.gpio.chips"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    (tmp_path / "gpiochip0").touch()
    with pytest.raises(BusError, match=r"lgpio.*pip install 'sensorml\[gpio\]'"):
        gpiopins.open_factory(tmp_path)


def test_a_factory_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "abacus")
    with pytest.raises(BusError, match=r"abacus.*: remove GPIOZERO_PIN_FACTORY"):
        gpiopins.open_factory(tmp_path)


def test_lgpio_makes_its_fifo_in_a_folder_that_is_gone_afterwards(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}:/run/other")
    monkeypatch.setenv("LG_WD", "")  # so that it is restored afterwards
    monkeypatch.delenv("LG_WD")
    here = Path.cwd()
    with gpiopins._lgpio_folder():
        folder = Path(os.environ["LG_WD"])
        os.chdir(folder)  # as lgpio does
        (folder / ".lgd-nfy0").touch()
    assert (folder.parent, folder.exists()) == (tmp_path, False)
    assert Path.cwd() == here
    assert "LG_WD" not in os.environ


def test_lgpio_gets_another_folder_where_the_usual_one_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "gone"))
    monkeypatch.setenv("LG_WD", "")
    monkeypatch.delenv("LG_WD")
    with gpiopins._lgpio_folder():
        assert Path(os.environ["LG_WD"]).is_dir()


def test_gpio_opens_also_where_the_working_folder_was_deleted(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert gpiopins.is_simulated(gpiopins.open_factory(tmp_path))


def test_lgpio_uses_the_folder_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("LG_WD", str(tmp_path))
    with gpiopins._lgpio_folder():
        assert os.environ["LG_WD"] == str(tmp_path)
    assert os.environ["LG_WD"] == str(tmp_path)
    assert tmp_path.exists()


def test_a_label_on_a_machine_without_chips_is_no_line() -> None:
    with pytest.raises(BusError, match="no line has this label: use a number"):
        gpio.open_output("label:P9_12", active="high", initial=True)


def test_pulses_have_the_given_frequency_and_duty_cycle(
    lines: MockFactory,
) -> None:
    pulses = gpio.open_pwm("BOARD12", frequency_hz=1000.0)
    pulses.set(0.25)
    assert (lines.pin(18).frequency, lines.pin(18).state) == (1000.0, 0.25)
    pulses.close()
    pulses.close()
    assert (lines.pin(18).frequency, lines.pin(18).function) == (None, "output")
    with pytest.raises(BusError, match="closed"):
        pulses.set(0.5)
    gpio.open_pwm(18, frequency_hz=50.0)


def test_an_input_may_report_one_kind_of_edge(lines: MockFactory) -> None:
    listen(edges="falling", bounce_s=0)
    assert (lines.pin(22).bounce, lines.pin(22).edges) == (None, "falling")


@pytest.mark.parametrize(
    ("kernels_s", "expected_ms"),
    [
        (99.997, 99_977),
        (1.7e9, 99_980),  # another clock: the time of the call
        (98.9, 99_980),
        (100.001, 99_980),
    ],
)
def test_an_edge_has_the_time_at_which_its_level_began(
    lines: MockFactory,
    monkeypatch: pytest.MonkeyPatch,
    kernels_s: float,
    expected_ms: int,
) -> None:
    heard: list[tuple[bool, int]] = []
    gpio.open_input(
        22,
        on_change=lambda *edge: heard.append(edge),
        bounce_s=0.02,
        clock=lambda: 100_000_000_000,
    )
    monkeypatch.setattr("gpiozero.pins.mock.monotonic", lambda: kernels_s)
    lines.pin(22).drive_low()
    assert heard == [(True, expected_ms * 1_000_000)]


def test_importing_the_module_does_not_import_gpiozero() -> None:
    code = "import sys, sensorml.gpio.lines; sys.exit('gpiozero' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

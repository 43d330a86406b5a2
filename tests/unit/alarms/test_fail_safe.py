"""`sensorml safe`, on gpiozero's simulated pins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from sensorml import cli
from sensorml.alarms import fail_safe
from sensorml.commands import safe
from sensorml.config.tables import Alarm
from sensorml.gpio import factory as gpiopins
from sensorml.gpio import lines as gpio

BOX = """
[[sensor]]
name = "motor"
driver = "no such driver"
[[model]]
path = 3
[[alarm]]
name = "bad"
model = "gone"
gpio = 17
of = "broken"
[[alarm]]
name = "door"
gpio = "BOARD29"
active = "low"
[[alarm]]
name = "lamp"
gpio = 6
fail_safe = "off"
[[alarm]]
name = "silent"
"""


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    gpiopins.factory.cache_clear()
    yield gpiopins.factory()
    gpiopins.factory.cache_clear()


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "box.toml"
    path.write_text(BOX)
    return path


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that systemd gives the service."""
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    return folder


def driven(lines: MockFactory) -> dict[int, bool]:
    """The level of every line that is an output."""
    pins = {number: lines.pin(number) for number in range(28)}
    return {n: bool(pin.state) for n, pin in pins.items() if pin.function == "output"}


def test_every_alarms_line_is_safe_whatever_else_is_wrong(
    lines: MockFactory, box: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["safe", str(box)]) == 0
    assert driven(lines) == {17: True, 5: False, 6: False}
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["GPIO 17: high", "GPIO BOARD29: low", "GPIO 6: low"]


def test_an_alarm_without_a_valid_safe_level_stops_no_other(
    lines: MockFactory, box: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box.write_text(BOX.replace('"low"', '"lowest"'))
    assert cli.main(["safe", str(box)]) == 2
    assert driven(lines) == {17: True, 6: False}
    assert "alarm[1].active" in capsys.readouterr().err


def test_a_line_that_is_in_use_stops_no_other(
    lines: MockFactory, box: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = gpio.open_input(17, on_change=lambda *_edge: None)
    assert cli.main(["safe", str(box)]) == 1
    held.close()
    assert driven(lines) == {5: False, 6: False}
    assert "GPIO 17" in capsys.readouterr().err


def test_the_list_of_driven_lines_counts_and_not_the_configuration(
    lines: MockFactory, box: Path, runtime: Path
) -> None:
    alarms = [
        Alarm(name="bad", model="wear", gpio="GPIO22", active="low"),
        Alarm(name="silent", model="wear"),
    ]
    fail_safe.write_lines(alarms)
    box.write_text("no TOML at all")
    assert cli.main(["safe", str(box)]) == 0
    assert driven(lines) == {22: False}


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"[{",
        b"\xff\xfe",
        b"null",
        b'[{"gpio": 22, "pattern": "of a newer version"}]',
        b'[{"gpio": 22, "active": "sideways"}]',
        b" " * 2_000_000,
    ],
)
def test_a_list_that_does_not_decode_is_no_list(
    lines: MockFactory, box: Path, runtime: Path, note: bytes
) -> None:
    (runtime / fail_safe.LINES_FILE).write_bytes(note)
    assert cli.main(["safe", str(box)]) == 0
    assert driven(lines) == {17: True, 5: False, 6: False}


def test_a_pipe_in_the_place_of_the_list_is_no_list(
    lines: MockFactory, box: Path, runtime: Path
) -> None:
    os.mkfifo(runtime / fail_safe.LINES_FILE)
    assert cli.main(["safe", str(box)]) == 0
    assert driven(lines) == {17: True, 5: False, 6: False}


def test_a_line_that_this_machine_lacks_stops_no_other(
    lines: MockFactory, box: Path, runtime: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = b'[{"gpio": 60000}, {"gpio": "label:gone"}, {"gpio": "x"}, {"gpio": 22}]'
    (runtime / fail_safe.LINES_FILE).write_bytes(note)
    assert cli.main(["safe", str(box)]) == 1
    assert driven(lines) == {22: True}
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 3
    assert printed.out == "GPIO 22: high\n"


def test_a_wrong_board_file_in_etc_is_reported_and_the_shipped_boards_are_used(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "mine.toml").write_text("[[[")
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    safe._header_chip()
    assert "mine.toml: not TOML" in capsys.readouterr().err


def test_without_a_list_of_driven_lines_the_configuration_counts(
    lines: MockFactory, box: Path, runtime: Path
) -> None:
    assert cli.main(["safe", str(box)]) == 0
    assert driven(lines) == {17: True, 5: False, 6: False}


def test_a_list_that_cannot_be_written_does_not_stop_the_service(
    runtime: Path,
) -> None:
    runtime.rmdir()
    fail_safe.write_lines([Alarm(name="bad", model="wear", gpio=17)])


@pytest.mark.parametrize("text", ["", "alarm = 3", "[alarm]\ngpio = 17"])
def test_without_alarms_no_line_is_touched(
    lines: MockFactory, box: Path, text: str
) -> None:
    box.write_text(text)
    assert cli.main(["safe", str(box)]) == (2 if text else 0)
    assert driven(lines) == {}

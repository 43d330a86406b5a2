"""Every level of output lines, from one start of the service to the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from header import Header
from press import SETTLE_S, Service

pytestmark = pytest.mark.timeout(0)  # it would measure the guest's virtual time

DOOR = 23
CYCLES = int(os.environ.get("SENSORML_LAB_CYCLES", "20"))
OUTPUTS = {
    (active, fail_safe): line
    for line, (active, fail_safe) in zip(
        (17, 5, 6, 13),
        [("high", "on"), ("high", "off"), ("low", "on"), ("low", "off")],
        strict=True,
    )
}

MACHINE = f"""
device = "lab"
[[sensor]]
name = "door"
driver = "gpio"
gpio = {DOOR}
""" + "".join(
    f"""
[[alarm]]
name = "{active} {fail_safe}"
sensor = "door"
when = {{equals = {int(fail_safe == "on")}}}
gpio = {line}
active = "{active}"
fail_safe = "{fail_safe}"
"""
    for (active, fail_safe), line in OUTPUTS.items()
)
"""Alarms that have their fail-safe state while the door is open, as at a start."""


class Notes:
    """The levels of the outputs, as every process has noted them."""

    def __init__(self, folder: Path, header: Header) -> None:
        self._file = folder / "levels"
        self._file.touch()
        self._header = header

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(Path(__file__).with_name("spy")),
            "SPY_LINES": ":".join(map(self._header.value_file, OUTPUTS.values())),
            "SPY_NOTES": str(self._file),
        }

    def note(self) -> None:
        """Note the present levels."""
        levels = (str(int(self._header.level(line))) for line in OUTPUTS.values())
        with self._file.open("a") as file:
            file.write("".join(levels) + "\n")

    def edges(self) -> list[tuple[str, str]]:
        """Return the changes since the last call, as the levels before and after."""
        levels = self._file.read_text().split()
        self._file.write_text(levels[-1] + "\n")
        return [(a, b) for a, b in pairwise(levels) if a != b]


@pytest.fixture
def header() -> Iterator[Header]:
    header = Header()
    yield header
    header.close()


def test_no_start_stop_crash_or_safe_changes_a_line(header, tmp_path, figure) -> None:
    notes = Notes(tmp_path, header)
    service = Service(tmp_path, "", machine=MACHINE, **notes.environ)

    def start() -> None:
        service.start()
        service.wait_for_log("sensor door: starting → ok")
        time.sleep(SETTLE_S)
        notes.note()

    def end(number: signal.Signals) -> None:
        service.end(number)
        notes.note()

    def safe() -> None:
        subprocess.run(
            [sys.executable, "-m", "sensorml", "safe", "lab.toml"],
            cwd=tmp_path,
            env=os.environ | notes.environ,
            check=True,
        )
        notes.note()

    start()
    notes.edges()
    for _ in range(CYCLES):
        end(signal.SIGKILL)
        safe()
        start()
        end(signal.SIGTERM)
        start()
    changes = notes.edges()
    figure(f"outputs over {CYCLES} crashes, stops and safes: {len(changes)} edges")
    assert changes == []

    header.drive(DOOR, high=False)
    time.sleep(SETTLE_S)
    assert len(notes.edges()) == len(OUTPUTS), "every alarm changes"
    end(signal.SIGTERM)
    assert len(notes.edges()) == len(OUTPUTS), "and goes back"

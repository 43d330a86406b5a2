"""The progress of long work, without a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorml.commands._progress import LARGE, MOST_LINES, Progress


@pytest.mark.parametrize("steps", [2, 9, 10, 11, 22, 60, 3600])
def test_at_most_ten_lines_are_printed_and_the_last_step_is_one_of_them(
    steps: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("train", steps) as progress:
        for i in range(steps):
            progress.step(f"epoch {i}")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == min(steps, MOST_LINES)
    assert lines[-1] == f"train {steps}/{steps}: epoch {steps - 1}"


def test_a_single_step_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("score", 1) as progress:
        progress.step("motor.npz")
    assert capsys.readouterr().err == ""


def test_the_reading_of_a_large_file_is_shown_in_bytes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    size = 300_000_000
    with Progress("train", 1) as progress:
        for done in range(0, size + 1, 1_000_000):
            progress.read(Path("motor.csv"), done, size)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == MOST_LINES
    assert lines[0] == "train reads motor.csv: 30 of 300 MB"
    assert lines[-1] == "train reads motor.csv: 300 of 300 MB"


def test_the_reading_of_a_small_file_is_silent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Progress("train", 1) as progress:
        progress.read(Path("motor.csv"), LARGE - 1, LARGE - 1)
    assert capsys.readouterr().err == ""

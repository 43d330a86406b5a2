"""The progress of long work, without a terminal."""

from __future__ import annotations

import pytest

from sensorml.commands._progress import MOST_LINES, Progress


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

"""A command with closed streams, full devices and signals, as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml import process

VERSION = [sys.executable, "-m", "sensorml", "--version"]


def shell(streams: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command with the streams of a shell's redirections."""
    return subprocess.run(
        ["bash", "-c", f'"$0" "$@" {streams}', *VERSION, *more],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("streams", "why"),
    [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")],
)
def test_results_that_cannot_be_written_are_one_sentence(
    streams: str, why: str
) -> None:
    completed = shell(streams)
    assert completed.returncode == 1
    [line] = completed.stderr.splitlines()
    assert line.startswith(f"sensorml: standard output: cannot be written ({why})")


@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_messages_that_cannot_be_written_are_dropped(streams: str) -> None:
    wrong = shell(streams, "--no-such-option")
    assert wrong.returncode == 0  # --version comes first
    assert wrong.stdout.startswith("sensorml ")


def test_a_reader_that_goes_away_is_no_error() -> None:
    completed = shell("| true; exit ${PIPESTATUS[0]}")
    assert (completed.returncode, completed.stderr) == (0, "")


def test_a_closed_stream_is_not_given_to_another_file() -> None:
    program = (
        "import os\nfrom sensorml import process\nprocess.open_streams()\n"
        "file = os.open(os.devnull, os.O_RDONLY)\nos._exit(file)\n"
    )
    completed = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, program],
        check=False,
    )
    assert completed.returncode == 3


@given(st.text(max_size=3000))
def test_a_message_is_printable_whatever_is_in_it(text: str) -> None:
    lines = process.plain(text).split("\n")
    assert len(lines) == len(text.split("\n"))
    assert all(line.isprintable() for line in lines)


@given(st.text(st.characters(categories=["L", "N", "P"]), max_size=1000))
def test_a_usual_message_is_unchanged(text: str) -> None:
    assert process.plain(text) == text


@pytest.mark.parametrize("number", process.ENDS)
def test_a_signal_ends_a_command_in_order(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt) as ended, process.ended_by_signals():
        os.kill(os.getpid(), number)
    assert ended.value.args == (number,)
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_is_ignored_at_the_start_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with process.ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_command_that_a_signal_ends_leaves_no_part_of_its_file(
    tmp_path: Path,
) -> None:
    program = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from sensorml import cli, files\n"
        "def work():\n"
        "    with files.replacing(Path(sys.argv[1])):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "cli._main = lambda _: work()\n"
        "sys.exit(cli.main([]))\n"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "out.csv")], check=False
    )
    assert completed.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_the_first_signal_is_noted_and_the_second_acts_as_before() -> None:
    with process.ended_by_signals():
        with process.noted_signals() as noted:
            assert not noted
            signal.raise_signal(signal.SIGTERM)
            assert noted == [signal.SIGTERM]
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        with process.noted_signals() as noted:
            pass
        with pytest.raises(process.EndedError):
            signal.raise_signal(signal.SIGTERM)
    assert not noted


def test_a_signal_that_is_ignored_is_not_noted() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with process.noted_signals() as noted:
            signal.raise_signal(signal.SIGHUP)
        assert not noted
    finally:
        signal.signal(signal.SIGHUP, before)

"""The service ends in order on every usual signal, whatever its streams are."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest
from processes import start, stop, wait_for_line

from sensorml.errors import StoreError
from sensorml.storage.reader import Reader


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The demo, whose machine fails soon."""
    text = (files("sensorml") / "demo.toml").read_text("utf-8")
    path = tmp_path / "demo.toml"
    path.write_text(text.replace("fault_after_s = 12", "fault_after_s = 3"))
    return path


def column(store: Path, kind: str, place: int) -> list[object]:
    """Return one column of the journal's rows; none while there is no journal."""
    try:
        with closing(Reader.open(store)) as reader:
            return [row[place] for row in reader.rows(kind, 0, 1000)]
    except StoreError:
        return []


def wait_for_alarm(store: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the journal has the alarm; the time-out of the test is the limit."""
    while "alarm" not in column(store, "alarm", 4):
        assert process.poll() is None


def stopped(store: Path) -> bool:
    return "stopped" in column(store, "event", 3)


@pytest.mark.parametrize("name", ["SIGHUP", "SIGQUIT", "SIGTERM"])
def test_a_signal_stops_the_service_in_order(
    config: Path, tmp_path: Path, name: str
) -> None:
    store = tmp_path / "journal.db"
    process = start("run", config, "--store", store)
    wait_for_line(process, "unknown → normal")
    code, log = stop(process, signal.Signals[name])
    assert code == 0, log
    assert stopped(store)


def test_a_signal_of_other_programs_is_ignored_and_logged(
    config: Path, tmp_path: Path
) -> None:
    process = start("run", config, "--store", tmp_path / "journal.db")
    wait_for_line(process, "unknown → normal")
    process.send_signal(signal.SIGUSR1)
    wait_for_line(process, "SIGUSR1 is ignored")
    code, _ = stop(process)
    assert code == 0


def test_a_terminal_that_hangs_up_several_times_is_one_stop(
    config: Path, tmp_path: Path
) -> None:
    store = tmp_path / "journal.db"
    process = start("run", config, "--store", store)
    wait_for_line(process, "unknown → normal")
    for _ in range(3):
        process.send_signal(signal.SIGHUP)
    code, log = stop(process)
    assert code == 0, log
    assert stopped(store)


def test_a_closed_terminal_stops_the_service_in_order(
    config: Path, tmp_path: Path
) -> None:
    store = tmp_path / "journal.db"
    pid, terminal = pty.fork()
    if pid == 0:
        program = [sys.executable, "-m", "sensorml", "run", str(config)]
        os.execve(
            sys.executable,
            [*program, "--store", str(store)],
            os.environ | {"TERM": "xterm"},
        )
    shown = b""
    while b"motor-anomaly" not in shown:
        shown += os.read(terminal, 65536)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert stopped(store)


def test_standard_error_that_nobody_reads_stops_no_alarm_and_no_exit(
    config: Path, tmp_path: Path
) -> None:
    store = tmp_path / "journal.db"
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    try:
        while True:
            os.write(theirs, b"x" * 4096)
    except BlockingIOError:  # the pipe is full
        os.set_blocking(theirs, True)
    process = subprocess.Popen(
        [sys.executable, "-m", "sensorml", "run", str(config), "--store", str(store)],
        stderr=theirs,
    )
    os.close(theirs)
    wait_for_alarm(store, process)
    process.terminate()
    assert process.wait(10) == 0
    os.close(ours)
    assert stopped(store)


@pytest.mark.parametrize(
    "streams",
    [
        "<&- >&- 2>&-",
        "2>&-",
        ">/dev/full 2>/dev/full",
        "2> >(head -1 >/dev/null)",  # a reader that goes away
    ],
)
def test_the_service_runs_whatever_its_streams_are(
    config: Path, tmp_path: Path, streams: str
) -> None:
    store = tmp_path / "journal.db"
    process = subprocess.Popen(
        [
            *("bash", "-c", f'exec "$0" "$@" {streams}'),
            *(sys.executable, "-m", "sensorml", "run", str(config)),
            *("--store", str(store)),
        ]
    )
    wait_for_alarm(store, process)
    process.terminate()
    assert process.wait(10) == 0
    assert stopped(store)


def test_the_service_runs_without_home_and_with_a_locale_of_ascii(
    config: Path, tmp_path: Path
) -> None:
    environ = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    run = subprocess.run(
        [
            *(sys.executable, "-m", "sensorml", "run", str(config)),
            *("--store", str(tmp_path / "journal.db"), "--duration", "3"),
        ],
        env=environ,
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert b"Traceback" not in run.stderr


def test_rows_that_could_not_be_stored_are_counted_in_the_last_line(
    config: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("a file instead of a folder")
    process = start("run", config, "--store", tmp_path / "file" / "journal.db")
    wait_for_line(process, "unknown → normal")
    code, log = stop(process)
    assert code == 1
    last = log.splitlines()[-1]
    assert " rows are not stored: " in last
    assert f"{tmp_path / 'file'}: is a file and no folder" in last

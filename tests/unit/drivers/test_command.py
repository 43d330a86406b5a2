"""Programs whose lines are rows, with short shell scripts."""

import logging
import os
import re
import select
import signal
import subprocess
import sys
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Clock

from sensorml.acquisition.text_rows import MAX_BYTES
from sensorml.buses import program
from sensorml.buses.program import Program
from sensorml.drivers.command import Driver, Options, channels
from sensorml.errors import BusError
from sensorml.types import Channel

PATIENCE_S = 20


def shell(script):
    return ("sh", "-c", script)


@pytest.fixture
def start_driver():
    """Start a driver on a shell script, and stop it in the end."""
    drivers = []

    def start(script, **options):
        driver = Driver(Options(command=shell(script), **options), Clock())
        drivers.append(driver)
        driver.start()
        return driver

    yield start
    for driver in drivers:
        driver.stop()


def output(driver):
    """Wait until there is something to read on its program's output."""
    stream = driver._program._output
    assert select.select([stream], [], [], PATIENCE_S)[0]


def rows(driver, count):
    """Read until `count` rows have come."""
    found = []
    while len(found) < count:
        output(driver)
        if (block := driver.read()) is not None:
            found += block.samples.tolist()
    return found


def next_block(driver):
    """Read until there is a block."""
    while True:
        output(driver)
        if (block := driver.read()) is not None:
            return block


def failure(driver):
    """Read until it fails, and return the message."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        output(driver)
        try:
            driver.read()
        except BusError as err:
            return str(err)
    raise AssertionError("it goes on")


def alive(group):
    """Return whether a process of the group still runs; a zombie does not."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    found = subprocess.run(
        ["ps", "-e", "-o", "pgid=,stat="], capture_output=True, text=True, check=True
    )
    states = [line.split() for line in found.stdout.splitlines()]
    return any(int(g) == group and not s.startswith("Z") for g, s in states)


def ends(group):
    """Return whether it ends; a killed process may take a moment."""
    deadline = time.monotonic() + PATIENCE_S
    while alive(group):
        if time.monotonic() > deadline:
            return False
    return True


def test_every_line_is_a_row(start_driver):
    driver = start_driver("echo 1,2; echo; echo '[3, 4]'; cat", channels=("x", "y"))
    assert rows(driver, 2) == [[1.0, 2.0], [3.0, 4.0]]
    assert driver.read() is None


def test_the_members_of_an_object_are_the_channels(start_driver):
    line = '{"model": "THN132N", "temperature_C": 21.5, "ok": true}'
    driver = start_driver(
        f"echo '{line}'; cat", fields=("temperature_C", "ok"), unit="degC"
    )
    assert rows(driver, 1) == [[21.5, 1.0]]
    assert [*channels(driver._options)] == [
        Channel("temperature_C", "degC"),
        Channel("ok", "degC"),
    ]


def test_one_that_hangs_is_a_failure_and_a_slow_one_is_not(start_driver):
    driver = start_driver("echo 1; cat", rate_hz=0.5)
    assert rows(driver, 1) == [[1.0]]
    driver._clock.advance(39)
    assert driver.read() is None
    driver._clock.advance(2)
    with pytest.raises(BusError, match="no row for 41 s: it hangs, rate_hz"):
        driver.read()


def test_a_line_that_is_no_row_is_ignored_and_logged_once(start_driver, caplog):
    with caplog.at_level(logging.WARNING):
        driver = start_driver("echo starting; echo 1; echo oops; echo 2; cat")
        assert rows(driver, 2) == [[1.0], [2.0]]
    assert driver.bad == 2
    [record] = caplog.records
    assert "sh: a line is no row: 'starting'" in record.getMessage()


def test_a_line_comes_when_it_is_whole(start_driver, tmp_path):
    go = tmp_path / "go"
    os.mkfifo(go)
    driver = start_driver(f"printf 12; read go < {go}; echo 34; cat")
    output(driver)
    assert driver.read() is None
    go.write_text("go\n")
    assert rows(driver, 1) == [[1234.0]]


@pytest.mark.parametrize(("code", "last"), [(0, [[12.0]]), (1, [])])
def test_what_has_no_newline_is_a_row_only_of_a_program_that_succeeds(
    start_driver, code, last
):
    driver = start_driver(f"echo 1; printf 12; exit {code}")
    assert rows(driver, 1) == [[1.0]]
    if last:
        assert rows(driver, 1) == last
    else:
        assert "ended with exit code 1" in failure(driver)


def test_one_that_prints_and_ends_is_run_again_every_interval(start_driver, tmp_path):
    count = f"echo . >>{tmp_path}/runs; wc -l <{tmp_path}/runs"
    driver = start_driver(count, interval_s=60.0)
    assert driver._options.rate_hz == 1 / 60
    first = next_block(driver)
    assert (first.samples.tolist(), first.missed) == ([[1.0]], 0)
    while not driver._program.finished:
        assert driver.read() is None
    driver._clock.advance(59)
    assert driver.read() is None
    driver._clock.advance(1)
    second = next_block(driver)
    assert (second.samples.tolist(), second.missed) == ([[2.0]], 0)
    assert (second.start_ns - first.start_ns) / 1e9 == pytest.approx(60)


def test_rows_of_a_run_may_be_several_at_a_rate_of_their_own(start_driver):
    driver = start_driver("echo '[[1], [2], [3]]'", interval_s=10.0, rate_hz=0.3)
    assert rows(driver, 3) == [[1.0], [2.0], [3.0]]
    assert driver._options.rate_hz == 0.3


def test_one_that_succeeds_without_a_row_is_a_failure(start_driver):
    why = failure(start_driver("echo 'no sensor' >&2"))
    assert why == (
        'sh: it ended with exit code 0 and printed no row ("no sensor"): run it by hand'
    )


def test_a_program_that_buffers_for_a_pipe_gives_its_rows_at_once(start_driver):
    script = "import sys; print(21.5); sys.stdin.read()"
    driver = start_driver(
        f"unset PYTHONUNBUFFERED; exec {sys.executable} -c '{script}'"
    )
    assert rows(driver, 1) == [[21.5]]


def test_python_writes_at_once_into_a_pipe_of_a_shell(start_driver):
    script = "import sys; print(21.5); sys.stdin.read()"
    driver = start_driver(f"{sys.executable} -c '{script}' | cat")
    assert rows(driver, 1) == [[21.5]]


def test_colours_for_a_terminal_change_no_row(start_driver):
    wide = " ".join(["1"] * 200)
    driver = start_driver(
        f"printf '\\033[1;31m{wide}\\033[0m\\n'; cat",
        channels=[f"c{i}" for i in range(200)],
    )
    assert rows(driver, 1) == [[1.0] * 200]


def test_a_silent_program_with_bad_lines_is_reported_with_the_first(start_driver):
    driver = start_driver("echo booting; echo oops; cat")
    deadline = time.monotonic() + PATIENCE_S
    while driver.bad < 2:
        assert time.monotonic() < deadline
        assert driver.read() is None
    driver._clock.advance(21)
    with pytest.raises(BusError, match="21 s: 2 lines are no row, the first"):
        driver.read()


def test_a_flood_of_lines_is_a_failure_that_names_both_rates(start_driver):
    driver = start_driver("yes 1", rate_hz=2.0)
    why = failure(driver)
    assert why.startswith("sh: sends ")
    assert why.endswith(
        " rows a second, rate_hz says 2: correct rate_hz, or let it send less"
    )


def test_a_flood_within_one_line_is_a_failure(start_driver):
    rows_of_a_line = "yes '[1],' | head -n 9000 | tr -d '\\n'"
    driver = start_driver(f"printf '['; {rows_of_a_line}; echo '[1]]'; cat")
    assert "rows a second, rate_hz says 1" in failure(driver)


def test_its_end_is_reported_with_its_exit_code_and_last_message(start_driver):
    why = failure(start_driver("echo 'no such device' >&2; exit 3"))
    assert why == 'sh: it ended with exit code 3 ("no such device"): run it by hand'
    assert failure(start_driver("kill -9 $$")) == (
        "sh: it was killed by SIGKILL: run it by hand to find the reason"
    )
    assert "closed its output" in failure(start_driver("exec >&-; read never"))


def test_rows_that_came_before_its_end_are_given_out_first(start_driver):
    driver = start_driver("echo 1; echo 2; exit 3")
    driver._program._wait(PATIENCE_S)
    assert driver.read().samples.tolist() == [[1.0], [2.0]]
    with pytest.raises(BusError, match="exit code 3"):
        driver.read()


def test_a_start_after_its_failure_runs_it_again(start_driver):
    driver = start_driver("echo 7; exit 3")
    failure(driver)
    driver.stop()
    driver.start()
    assert rows(driver, 1) == [[7.0]]


def test_a_full_stderr_does_not_hold_it_up(start_driver):
    driver = start_driver("yes complaint | head -c 1000000 >&2; echo 5; cat")
    deadline = time.monotonic() + PATIENCE_S
    while (block := driver.read()) is None:
        assert time.monotonic() < deadline
    assert block.samples.tolist() == [[5.0]]


def test_a_line_without_end_is_dropped_and_the_next_is_read(start_driver, caplog):
    driver = start_driver(
        f"yes 1 | head -c {5 * MAX_BYTES} | tr -d '\\n'; echo; echo 6; cat"
    )
    assert rows(driver, 1) == [[6.0]]
    assert driver.bad == 1
    assert f"more than {MAX_BYTES} bytes" in caplog.text


def test_a_line_that_never_ends_is_a_failure(start_driver):
    driver = start_driver("tr '\\0' 1 </dev/zero")
    why = failure(driver)
    assert re.fullmatch(
        r"sh: sends more than \d{6} bytes without a newline: let it print rows as "
        "text, one a line",
        why,
    )


@given(st.lists(st.sampled_from([b"1", b"2\n", b"\n", b"x" * 9, b"3\n4"]), max_size=12))
def test_lines_are_the_same_however_they_are_cut(chunks):
    cut = Program.__new__(Program)
    cut._max_line_bytes = 1000
    cut.too_long, cut._line, cut._skipping, cut._skipped = 0, b"", False, 0
    lines = [line for chunk in chunks for line in cut._cut(chunk)]
    whole = b"".join(chunks).split(b"\n")[:-1]
    assert lines == [line for line in whole if line]


def test_a_stop_ends_it_with_all_that_it_has_started(start_driver):
    driver = start_driver("sleep 600 & sleep 600")
    group = driver._program._process.pid
    assert alive(group)
    driver.stop()
    assert ends(group)
    with pytest.raises(BusError, match="not started"):
        driver.read()


def test_one_that_ignores_sigterm_is_killed(start_driver, monkeypatch):
    monkeypatch.setattr(program, "END_S", 0.05)
    driver = start_driver("trap '' TERM; echo 1; while :; do sleep 600; done")
    rows(driver, 1)
    group = driver._program._process.pid
    driver.stop()
    assert ends(group)


OWNER = """
import signal, sys
from sensorml.buses.program import Program
command = ["sh", "-c", "trap '' TERM INT HUP; echo 1; sleep 600 & sleep 600"]
program = Program(command, max_line_bytes=1000)
print(program._process.pid, flush=True)
signal.pause()
"""


def test_it_dies_with_a_service_that_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True
    ) as owner:
        group = int(owner.stdout.readline())
        assert alive(group)
        owner.send_signal(signal.SIGKILL)
    assert ends(group)


def test_a_program_that_is_not_there_is_a_bus_error_that_names_it():
    driver = Driver(Options(command=("rtl_433_that_is_not", "-F", "json")))
    with pytest.raises(BusError, match="rtl_433_that_is_not: it cannot be started"):
        driver.start()
    driver.stop()
    with pytest.raises(BusError, match="not started"):
        driver.read()


@pytest.mark.parametrize(
    "table", [{}, {"command": []}, {"command": ""}, {"command": [""]}]
)
def test_no_command_is_refused(table):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, Options)


def test_programs_have_a_thread_each():
    assert Options(command=("a", "b")).thread != Options(command=("a", "c")).thread

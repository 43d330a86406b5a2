"""The log has a thread of its own, which nobody waits for."""

from __future__ import annotations

import logging
import os

from standard_error import fill, piped

from sensorml.service.log_thread import MOST_BYTES, MOST_LINES, LogThread

log = logging.getLogger("sensorml.test")


def drain(descriptor: int, until: bytes) -> bytes:
    read = b""
    while until not in read:
        read += os.read(descriptor, 65536)
    return read.lstrip(b"x")


def test_lines_are_written_in_order_and_all_of_them_at_the_end() -> None:
    with piped() as pipe:
        with LogThread("%(message)s"):
            for i in range(20):
                log.info("line %d", i)
        lines = drain(pipe, b"19\n").decode().splitlines()
    assert lines == [f"line {i}" for i in range(20)]


def test_a_line_that_is_too_long_is_cut() -> None:
    with piped() as pipe:
        with LogThread("%(message)s"):
            log.info("€" * 10_000)
        assert len(drain(pipe, b"\n")) <= MOST_BYTES


def test_a_traceback_keeps_its_lines() -> None:
    with piped() as pipe:
        with LogThread("%(message)s"):
            log.info("first\n\x1b[2Jsecond")
        assert drain(pipe, b"second\n") == b"first\n\\x1b[2Jsecond\n"


def test_nobody_waits_for_a_full_pipe_and_what_is_dropped_is_counted() -> None:
    with piped() as pipe:
        fill()
        with LogThread("%(message)s") as thread:
            for i in range(MOST_LINES + 50):
                log.info("line %d", i)
            assert thread.dropped == 50
            last = b"line %d\n" % (MOST_LINES + 49)
            read = drain(pipe, last).decode().splitlines()
    assert read[0] == "50 log lines were dropped: standard error was not read"
    assert read[1] == "line 50"
    assert len(read) == 1 + MOST_LINES


def test_while_nobody_reads_a_library_that_prints_does_not_block() -> None:
    with piped() as pipe:
        fill()
        with LogThread("%(message)s"):
            log.info("held")
            while not is_null():
                pass
            os.write(2, b"of a library in C\n")
            drain(pipe, b"held\n")
            log.info("again")
            drain(pipe, b"again\n")
        assert not is_null()


def is_null() -> bool:
    """Return whether descriptor 2 leads to /dev/null."""
    return os.path.samestat(os.fstat(2), os.stat(os.devnull))  # noqa: PTH116


def test_a_pipe_without_a_reader_costs_lines_and_nothing_else() -> None:
    real = os.dup(2)
    ours, theirs = os.pipe()
    os.dup2(theirs, 2)
    os.close(theirs)
    os.close(ours)
    with LogThread("%(message)s") as thread:
        log.info("into nothing")
    os.dup2(real, 2)
    os.close(real)
    assert thread.dropped == 1

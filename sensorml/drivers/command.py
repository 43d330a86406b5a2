"""A program as a sensor: every line of its output is a row.

    command = ["rtl_433", "-F", "json"]
    fields = ["temperature_C", "humidity"]

The format of a line is in `acquisition/text_rows.py`. The program is started without a
shell, stopped with the sensor, and started again when it fails. One that prints its
rows and ends with exit code 0 is run again after `interval_s`.
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from sensorml.acquisition import text_rows
from sensorml.acquisition.arrival_clock import ArrivalClock
from sensorml.buses.flood import RowLimit
from sensorml.buses.program import Program
from sensorml.errors import BusError
from sensorml.interfaces import Cures
from sensorml.types import Block, Channel

SILENT_S: Final = 10.0
SILENT_ROWS: Final = 20
"""A program without a row for both times hangs, and is started again."""

log = logging.getLogger(__name__)


class Options(text_rows.TextOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "command"`."""

    command: Annotated[tuple[text_rows.Name, ...], Meta(min_length=1)]
    """The program and its arguments."""

    interval_s: Annotated[float, Meta(ge=0.05, le=10_000)] | None = None
    """From one run to the next of a program that prints its rows and ends; omitted:
    1 / rate_hz. With it rate_hz, if it is left at 1, is 1 / interval_s: a row a run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.interval_s is not None and self.rate_hz == 1.0:
            msgspec.structs.force_setattr(self, "rate_hz", 1 / self.interval_s)

    @property
    def thread(self) -> str:
        return f"command {shlex.join(self.command)}"

    @property
    def cures(self) -> Cures:
        return text_rows.cures("check the program")


def channels(options: Options) -> Sequence[Channel]:
    return text_rows.channels(options)


class Driver:
    """One running program."""

    def __init__(
        self, options: Options, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.period_s = options.period_s
        self._options = options
        self._clock = clock
        self._interval_ns = round((options.interval_s or 1 / options.rate_hz) * 1e9)
        self._program: Program | None = None
        self._next_ns = 0  # when a program that has ended is run again

    def start(self) -> None:
        self.stop()
        self.bad = 0
        """Lines that were no row; they count as missed rows."""
        self._why_bad = ""
        self._arrivals = ArrivalClock(self._options.rate_hz)
        self._limit = RowLimit(self._options.rate_hz)
        self._program = self._run(self._clock())

    def read(self) -> Block | None:
        """Return the rows since the last call.

        Raises:
            BusError: it has failed, floods, or hangs: no row for 20 periods and 10 s.
        """
        program, now = self._program, self._clock()
        if program is None:
            raise BusError(f"{self._options.command[0]}: not started")
        if program.finished:
            if now < self._next_ns:
                return None
            program.end()
            self._program = program = self._run(now)
        rows = self._new_rows(program, now)
        if rows:
            self._heard_ns, self._gave_row = now, True
            return self._arrivals.block([row.values for row in rows], now, now)
        if program.finished and not self._gave_row:
            raise program.failure("it ended with exit code 0 and printed no row")
        silent_s = (now - self._heard_ns) / 1e9
        if silent_s > max(SILENT_S, SILENT_ROWS / self._options.rate_hz):
            raise BusError(
                f"{program.name}: no row for {silent_s:.0f} s: {self._why_silent()}"
            )
        return None

    def _run(self, now_ns: int) -> Program:
        """Start the program, and note when it is to run again if it ends."""
        self._heard_ns, self._gave_row = now_ns, False
        self._next_ns = now_ns + self._interval_ns
        return Program(self._options.command, max_line_bytes=text_rows.MAX_BYTES)

    def _new_rows(self, program: Program, now_ns: int) -> list[text_rows.TextRow]:
        too_long = program.too_long
        lines = program.lines()
        rows: list[text_rows.TextRow] = []
        if not (why := self._limit.exceeded(len(lines), now_ns)):
            rows = [row for line in lines for row in self._rows(line)]
            why = self._limit.exceeded(max(0, len(rows) - len(lines)), now_ns)
        if why:
            raise BusError(f"{program.name}: {why}")
        for _ in range(program.too_long - too_long):
            self._complain(f"a line of more than {text_rows.MAX_BYTES} bytes")
        return rows

    def _why_silent(self) -> str:
        if self._why_bad:
            return f"{self.bad} lines are no row, the first is {self._why_bad}"
        return (
            "it hangs, rate_hz = "
            f"{self._options.rate_hz:g} is too high, or its output waits in a pipe of "
            "its own: use stdbuf -oL, grep --line-buffered, sed -u there"
        )

    def stop(self) -> None:
        if self._program is not None:
            program, self._program = self._program, None
            program.end()

    def _rows(self, line: bytes) -> Sequence[text_rows.TextRow]:
        try:
            return text_rows.parse(line, self._options)
        except ValueError as err:
            self._complain(str(err))
            return ()

    def _complain(self, what: str) -> None:
        """Count a line that is no row; log the first."""
        if not self.bad:
            self._why_bad = what
            log.warning(
                "%s: a line is no row: %s; such lines are ignored",
                self._options.command[0],
                what,
            )
        self.bad += 1

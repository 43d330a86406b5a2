"""A program as a sensor: every line of its output is a row.

    command = ["rtl_433", "-F", "json"]
    fields = ["temperature_C", "humidity"]

The format of a line is in `acquisition/text_rows.py`. The program is started without a
shell, stopped with the sensor, and started again when it ends.
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Final

from msgspec import Meta

from sensorml.acquisition import text_rows
from sensorml.acquisition.arrival_clock import ArrivalClock
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
        self._program: Program | None = None

    def start(self) -> None:
        self.stop()
        self.bad = 0
        """Lines that were no row; they count as missed rows."""
        self._arrivals = ArrivalClock(self._options.rate_hz)
        self._program = Program(
            self._options.command, max_line_bytes=text_rows.MAX_BYTES
        )
        self._heard_ns = self._clock()

    def read(self) -> Block | None:
        """Return the rows since the last call.

        Raises:
            BusError: it has ended, or hangs: no row for 20 periods and 10 s.
        """
        if self._program is None:
            raise BusError(f"{self._options.command[0]}: not started")
        now = self._clock()
        too_long = self._program.too_long
        rows = [row for line in self._program.lines() for row in self._rows(line)]
        for _ in range(self._program.too_long - too_long):
            self._complain(f"a line of more than {text_rows.MAX_BYTES} bytes")
        if not rows:
            silent_s = (now - self._heard_ns) / 1e9
            if silent_s > max(SILENT_S, SILENT_ROWS / self._options.rate_hz):
                raise BusError(
                    f"{self._program.name}: no row for {silent_s:.0f} s: it hangs, or "
                    f"rate_hz = {self._options.rate_hz:g} is too high"
                )
            return None
        self._heard_ns = now
        return self._arrivals.block([row.values for row in rows], now, now)

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
            log.warning(
                "%s: a line is no row: %s; such lines are ignored",
                self._options.command[0],
                what,
            )
        self.bad += 1

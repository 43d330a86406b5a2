"""The load average of this computer, from /proc/loadavg (proc_loadavg(5))."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sensorml.acquisition.polled import PolledRows, Rate
from sensorml.errors import SensorError
from sensorml.interfaces import SensorOptions
from sensorml.types import Block, Channel


class Options(SensorOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "loadavg"`."""

    rate_hz: Rate = 1.0


def channels(_options: Options) -> Sequence[Channel]:
    return (Channel("load", ""),)


def decode(text: str) -> float:
    """Return the load over the last minute.

    >>> decode("0.42 0.36 0.30 1/712 41265")
    0.42
    """
    return float(text.split(maxsplit=1)[0])


class Driver:
    """The first number of one file."""

    def __init__(
        self, options: Options, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._options = options
        self._clock = clock

    def start(self) -> None:
        self._rows = PolledRows(self._options.rate_hz, self._clock)

    def read(self) -> Block:
        text = Path("/proc/loadavg").read_text(encoding="ascii")
        try:
            return self._rows.row((decode(text),))
        except ValueError as err:
            raise SensorError(f"/proc/loadavg: {text!r} has no number") from err

    def stop(self) -> None:
        """Hold nothing."""

"""A flow meter behind a gateway, in l/min."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sensorml.buses.register_file import RegisterFileOptions, read

from sensorml.acquisition.polled import PolledRows, Rate
from sensorml.types import Block, Channel


class Options(RegisterFileOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "flow_meter"`."""

    rate_hz: Rate = 1.0


def channels(_options: Options) -> Sequence[Channel]:
    return (Channel("flow", "l/min"),)


class Driver:
    """One register."""

    def __init__(
        self, options: Options, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._options = options
        self._clock = clock

    def start(self) -> None:
        self._rows = PolledRows(self._options.rate_hz, self._clock)

    def read(self) -> Block:
        return self._rows.row((read(self._options),))

    def stop(self) -> None:
        """Hold nothing."""

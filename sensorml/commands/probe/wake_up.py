"""The delay of a thread's wake-up on busy processors, and the rates that it allows."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sensorml.errors import Reason
from sensorml.service import real_time

FIFO_ROWS: Final = {
    32: "ADXL343, ADXL345, ADXL355, LIS3DH",
    85: "KX134, MPU6500, MPU9250, ICM-20948",
    170: "MPU6050",
}
"""Sizes of FIFOs, and the chips that have them."""
FASTEST_HZ: Final = 6400
"""The highest rate of these chips."""
PROGRAMS_PER_CPU: Final = 2
MEASURED_S: Final = 0.25
"""The duration for each kind of scheduling."""

_EVERY_S: Final = 0.002
_FREE: Final = 0.5  # share of a FIFO that is free when its read is due
_MARGIN: Final = 2.0  # so short a measurement does not meet the longest delay


@dataclass(frozen=True, slots=True)
class WakeUp:
    """The delays with one kind of scheduling."""

    scheduling: str
    """"normal" or "real time"."""
    why_not: Reason | None = None
    """The reason why it is not available, else None."""
    median_us: float = 0.0
    longest_us: float = 0.0

    @property
    def rates_hz(self) -> dict[int, int]:
        """The highest rate by rows of a FIFO, with a margin of 2; {} without delays.

        >>> WakeUp("normal", longest_us=10_000).rates_hz
        {32: 800, 85: 2125, 170: 4250}
        """
        if not self.longest_us:
            return {}
        longest_s = self.longest_us / 1e6
        return {rows: int(rows * _FREE / longest_s / _MARGIN) for rows in FIFO_ROWS}

    def __str__(self) -> str:
        if self.why_not:
            return f"{self.scheduling}: {self.why_not}"
        rates = ", ".join(
            f"{rows} rows {'at any rate' if hz > FASTEST_HZ else f'up to {hz} Hz'}"
            for rows, hz in self.rates_hz.items()
        )
        return (
            f"{self.scheduling}: {self.median_us / 1e3:.2f} ms late, at most "
            f"{self.longest_us / 1e3:.2f} ms; a FIFO of {rates}"
        )


def measured() -> list[WakeUp]:
    """Measure with normal and with real-time scheduling; takes half a second."""
    results: list[WakeUp] = []
    with busy_processors():
        for scheduling, prepare in (
            ("normal", lambda: None),
            ("real time", real_time.schedule),
        ):
            thread = threading.Thread(
                target=lambda: results.append(_measured(scheduling, prepare))  # noqa: B023 - joined below
            )
            thread.start()
            thread.join()
    return results


def lines(results: Sequence[WakeUp]) -> Iterator[str]:
    """Yield the lines of the report."""
    yield f"wake-up of a thread beside {_programs()} busy programs"
    yield from map(str, results)
    for rows, chips in FIFO_ROWS.items():
        yield f"{rows} rows: {chips}"


@contextmanager
def busy_processors() -> Iterator[None]:
    """Keep all processors busy within the `with` block."""
    programs = [
        subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"])
        for _ in range(_programs())
    ]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def _programs() -> int:
    return PROGRAMS_PER_CPU * (os.cpu_count() or 1)


def _measured(scheduling: str, prepare: Callable[[], Reason | None]) -> WakeUp:
    """Measure on the calling thread."""
    if why_not := prepare():
        return WakeUp(scheduling, why_not)
    late_us = delays_us(MEASURED_S, _EVERY_S, time.monotonic, time.sleep)
    return WakeUp(
        scheduling,
        median_us=round(statistics.median(late_us), 1),
        longest_us=round(max(late_us), 1),
    )


def delays_us(
    seconds: float,
    every_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> list[float]:
    """Return how late each wake-up was; those that are overdue are skipped."""
    due = clock()
    end = due + seconds
    late_us = []
    while due < end:
        due += every_s
        sleep(max(0.0, due - clock()))
        now = clock()
        late_us.append((now - due) * 1e6)
        due = max(due, now - (now - due) % every_s)
    return late_us

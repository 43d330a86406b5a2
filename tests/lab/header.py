"""The GPIO header of a Raspberry Pi, simulated by the kernel's gpio-sim.

The chip is created in configfs; its inputs are driven, and its outputs read, in
sysfs (Documentation/admin-guide/gpio/gpio-sim.rst).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import NamedTuple

_CONFIGFS = Path("/sys/kernel/config/gpio-sim")
_PLATFORM = Path("/sys/devices/platform")
_HEADER_LINES = 28


class Edge(NamedTuple):
    """A change of a line, observed by sampling its level."""

    at_s: float
    """The monotonic time of the sample that showed it."""
    high: bool


class Header:
    """A GPIO chip that exists from `__init__` to `close`."""

    def __init__(self, *, lines: int = 58, label: str = "pinctrl-bcm2711") -> None:
        self._dir = _CONFIGFS / label
        bank = self._dir / "bank0"
        bank.mkdir(parents=True)
        (bank / "num_lines").write_text(str(lines))
        (bank / "label").write_text(label)
        for line in range(_HEADER_LINES):
            (bank / f"line{line}").mkdir()
            (bank / f"line{line}" / "name").write_text(f"GPIO{line}")
        (self._dir / "live").write_text("1")
        self.chip = (bank / "chip_name").read_text().strip()
        """The chip's name, gpiochipN."""
        device = (self._dir / "dev_name").read_text().strip()
        self._lines = _PLATFORM / device / self.chip
        self._values: dict[int, int] = {}  # open files
        self._pulls: dict[int, int] = {}

    def drive(self, line: int, *, high: bool) -> None:
        """Set the level of an input, as a contact does.

        gpio-sim has one pull for this and for programs: a program that requests a
        pull when it opens the line changes the level.
        """
        if line not in self._pulls:
            pull = self._lines / f"sim_gpio{line}" / "pull"
            self._pulls[line] = os.open(pull, os.O_WRONLY)
        os.pwrite(self._pulls[line], b"pull-up" if high else b"pull-down", 0)

    def value_file(self, line: int) -> str:
        """Return the file that holds the level of a line."""
        return str(self._lines / f"sim_gpio{line}" / "value")

    def level(self, line: int) -> bool:
        """Return the level of a line, whichever side drives it."""
        if line not in self._values:
            self._values[line] = os.open(self.value_file(line), os.O_RDONLY)
        return os.pread(self._values[line], 1, 0) == b"1"

    def watch(
        self, lines: Iterable[int], for_s: float, every_s: float = 0.01
    ) -> dict[int, list[Edge]]:
        """Return the first level of each line, as an edge, and all its changes.

        Lines are sampled every `every_s` on average, at random intervals, because
        regular samples would meet a periodic line at the same few phases.
        """
        random = Random(0)
        edges_of: dict[int, list[Edge]] = {line: [] for line in lines}
        end = time.monotonic() + for_s
        while (now := time.monotonic()) < end:
            for line, edges in edges_of.items():
                high = self.level(line)
                if not edges or edges[-1].high is not high:
                    edges.append(Edge(now, high))
            time.sleep(every_s * random.uniform(0.5, 1.5))
        return edges_of

    def close(self) -> None:
        """Remove the chip, also when a program has it open."""
        for opened in (self._values, self._pulls):
            for file in opened.values():
                os.close(file)
            opened.clear()
        (self._dir / "live").write_text("0")
        for line in self._dir.glob("bank0/line*"):
            line.rmdir()
        (self._dir / "bank0").rmdir()
        self._dir.rmdir()

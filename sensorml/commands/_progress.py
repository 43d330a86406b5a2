"""The progress of long work on stderr: a bar on a terminal, elsewhere plain lines."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


MOST_LINES: Final = 10
LARGE: Final = 64 << 20
"""Bytes of a file whose reading has lines of its own, without a terminal."""
_MB: Final = 1_000_000


class Progress:
    """The progress of work with a known number of steps."""

    def __init__(self, work: str, steps: int, *, shown: bool = True) -> None:
        """Start at zero steps.

        Args:
            work: its name, which begins every line.
            steps: the number of steps; without a terminal a single one is silent.
            shown: whether to show anything.
        """
        self._work = work
        self._steps = steps
        self._done = 0
        self._shown = shown
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._reading: TaskID | None = None
        self._tenth: tuple[Path, int] | None = None

    def __enter__(self) -> Self:
        if self._shown and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._work, total=self._steps)
        return self

    def step(self, name: str) -> None:
        """Count a step that is done; show its name."""
        self._done += 1
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, description=f"{self._work} {name}")
        elif self._shown and self._steps > 1 and self._is_tenth():
            print(f"{self._work} {self._done}/{self._steps}: {name}", file=sys.stderr)

    def read(self, path: Path, done: int, size: int) -> None:
        """Show how many bytes of a file are read so far."""
        name = f"reads {path.name}: {done / _MB:.0f} of {size / _MB:.0f} MB"
        if self._bar is not None:
            if self._reading is None:
                self._reading = self._bar.add_task(self._work, total=size)
            self._bar.update(
                self._reading,
                completed=done,
                total=size,
                description=f"{self._work} {name}",
                visible=done < size,
            )
        elif self._shown and size >= LARGE:
            tenth = MOST_LINES * done // size
            if (path, tenth) != self._tenth and tenth:
                print(f"{self._work} {name}", file=sys.stderr)
            self._tenth = (path, tenth)

    def _is_tenth(self) -> bool:
        """Return whether this step completes one more tenth of the work."""
        done, steps = self._done * MOST_LINES, self._steps
        return done // steps > (done - MOST_LINES) // steps

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

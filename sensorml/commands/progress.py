"""How far long work is: a bar on a terminal, plain lines elsewhere; to stderr."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


class Progress:
    """Counts `steps` steps of `what`; quiet for a single one off a terminal."""

    def __init__(self, what: str, steps: int, *, shown: bool = True) -> None:
        self._what = what
        self._steps = steps
        self._done = 0
        self._shown = shown
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._shown and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=self._steps)
        return self

    def step(self, name: str) -> None:
        """One step is done; `name` says which."""
        self._done += 1
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, description=f"{self._what} {name}")
        elif self._shown and self._steps > 1:
            print(f"{self._what} {self._done}/{self._steps}: {name}", file=sys.stderr)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

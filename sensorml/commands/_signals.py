"""The signals that end a command in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def caught() -> Iterator[Sequence[signal.Signals]]:
    """Collect the signals that ask for an end, for the time of the `with` block.

    What is ignored (SIGHUP under nohup) stays ignored. After the hang-up of a
    terminal, what is written to it is dropped, because each write would fail.
    """
    arrived: list[signal.Signals] = []
    terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.append(signal.Signals(number))
        if number == signal.SIGHUP and terminals:
            null = os.open(os.devnull, os.O_WRONLY)
            for descriptor in terminals:
                os.dup2(null, descriptor)
            os.close(null)

    before = {number: signal.getsignal(number) for number in _ENDS}
    for number, action in before.items():
        if action != signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield arrived
    finally:
        for number, action in before.items():
            signal.signal(number, action)

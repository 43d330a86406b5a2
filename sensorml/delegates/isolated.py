"""Ask what may crash in a process of its own: foreign libraries, foreign packages."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Final, NamedTuple

ANSWER_S: Final = 10.0
"""A slow SD card reads a big library for seconds."""

LONE: Final = ("-I", "-S")
"""Python's options for a script that needs no package: it starts faster."""


class Said(NamedTuple):
    """What a script printed, or in words why it came to nothing."""

    text: str = ""
    why_not: str | None = None


def signal_name(number: int) -> str:
    """Return the name of a signal; real-time signals have none of their own.

    >>> signal_name(11), signal_name(40)
    ('SIGSEGV', 'signal 40')
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def ask(
    script: Path, *words: str, options: tuple[str, ...] = (), answer_s: float = ANSWER_S
) -> Said:
    """Run one of our scripts and return what it printed.

    Args:
        script: ends with 1 and a sentence on stderr when it fails.
        words: for the script.
        options: for Python.
        answer_s: how long it may take; then it is killed.
    """
    import subprocess

    command = [sys.executable, "-P", *options, str(script), *words]
    try:
        done = subprocess.run(  # noqa: S603 - our own script
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=answer_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Said(why_not=f"it does not answer for {answer_s:g} s")
    except OSError as err:
        return Said(why_not=f"no process could be started for it ({err.strerror})")
    if done.returncode < 0:
        return Said(why_not=f"its process dies of {signal_name(-done.returncode)}")
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return Said(why_not=lines[-1] if lines else "it gives no reason")
    return Said(done.stdout.decode(errors="replace").strip())

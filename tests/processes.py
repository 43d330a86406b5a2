"""The command line as a process of its own, as users run it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sensorml(
    *arguments: str | Path, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "sensorml", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def start(
    *arguments: str | Path,
    cwd: Path | None = None,
    file_bytes: int | None = None,
    **environ: str,
) -> subprocess.Popen[str]:
    """Start a command; `file_bytes` limits the size of every file that it writes."""

    process = subprocess.Popen(
        [sys.executable, "-m", "sensorml", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if file_bytes is not None:
        limit = (file_bytes, file_bytes)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limit)
    return process


def wait_for_line(process: subprocess.Popen[str], text: str) -> list[str]:
    """Read the log up to the line with `text`, and return the lines that were read."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"the log ended without {text!r}:\n{''.join(lines)}")


def stop(
    process: subprocess.Popen[str], number: int = signal.SIGTERM
) -> tuple[int, str]:
    """Send a signal; return the exit code and the rest of the log."""
    process.send_signal(number)
    _, log = process.communicate(timeout=20)
    return process.returncode, log


_OWNER = """
import sys
from sensorml.buses.ownership import held
name, sys.argv = sys.argv[1], ["sensorml", *sys.argv[2:]]
with held(name):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def owner(name: str, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold the name of a chip until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, name, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def available(name: str) -> bool:
    """Return whether another process can take the name of a chip."""
    script = [sys.executable, "-c", _OWNER, name]
    done = subprocess.run(script, input="", text=True, capture_output=True, check=False)
    assert done.returncode == 0 or "InUseError" in done.stderr
    return done.returncode == 0

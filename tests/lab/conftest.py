"""What every test of the lab has; they run inside the guest, by `make lab`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from header import Header

from sensorml.gpio import factory as gpiopins

if os.environ.get("SENSORML_LAB") != "1":
    collect_ignore_glob = ["test_*.py"]

else:
    if not Path("/run/systemd/system").exists():
        collect_ignore = ["test_unit.py"]
    import lgpio  # noqa: F401 - its thread is there before any test looks for leaks

_figures = pytest.StashKey[list[str]]()


@pytest.fixture
def header() -> Iterator[Header]:
    """The header of a Raspberry Pi, for one test; nobody has it open afterwards."""
    made = Header()
    yield made
    if gpiopins.factory.cache_info().currsize:
        gpiopins.factory().close()
        gpiopins.factory.cache_clear()
    made.close()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Call it with a line that shall stand at the end of the report."""
    return request.config.stash.setdefault(_figures, []).append


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if lines := config.stash.get(_figures, []):
        terminalreporter.section("figures")
        terminalreporter.write("\n".join([*lines, ""]))

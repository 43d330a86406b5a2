"""Fixtures for the tests of the lab, which run inside the guest (`make lab`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from header import Header

from sensorml.gpio import factory

if os.environ.get("SENSORML_LAB") != "1":
    collect_ignore_glob = ["test_*.py"]

else:
    if not Path("/run/systemd/system").exists():
        collect_ignore = ["test_unit.py"]
    import lgpio  # noqa: F401 - its thread must run before a test looks for leaks

_figures = pytest.StashKey[list[str]]()


@pytest.fixture
def header() -> Iterator[Header]:
    """A Raspberry Pi's header for one test, closed by all programs at its end."""
    header = Header()
    yield header
    if factory.factory.cache_info().currsize:
        factory.factory().close()
        factory.factory.cache_clear()
    header.close()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A function that adds a line to the figures at the end of the report."""
    return request.config.stash.setdefault(_figures, []).append


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if lines := config.stash.get(_figures, []):
        terminalreporter.section("figures")
        terminalreporter.write("\n".join([*lines, ""]))

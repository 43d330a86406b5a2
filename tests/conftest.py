"""Rules for every test: no thread or task outlives it, and CI skips nothing.

CI is `SENSORML_CI=1`: a skip is then a failure, except where something cannot be
installed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import os
import shutil
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Examples have no deadline, because a busy machine would miss it; pytest has its own
# time-out. CI tries the same examples every time, so that a failure comes from the
# change; new examples are found by running the suite by hand.
settings.register_profile("house", deadline=None, max_examples=60)
settings.register_profile("ci", settings.get_profile("house"), derandomize=True)
settings.load_profile("ci" if os.environ.get("SENSORML_CI") == "1" else "house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--hardware",
        nargs="?",
        const="",
        metavar="FILE",
        help="run the contracts on real hardware, described as in "
        "tests/hardware.example.toml: "
        "pytest --hardware=FILE tests/contracts/test_wired.py",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("hardware") == "":
        raise pytest.UsageError(
            "--hardware: no file given: describe the wiring as in "
            "tests/hardware.example.toml and pass it: --hardware=wiring.toml"
        )


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the library of the test delegate."""
    from delegate import pair

    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    return pair.build(tmp_path_factory.mktemp("delegate"))


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Fail a test whose threads still run at its end."""
    before = set(threading.enumerate())
    yield
    leaked = [t.name for t in threading.enumerate() if t not in before and t.is_alive()]
    assert not leaked, f"threads still run: {', '.join(leaked)}"


@pytest.fixture
async def no_leaked_tasks() -> AsyncIterator[None]:
    yield
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    leaked = [task.get_name() for task in tasks]
    assert not leaked, f"tasks still run: {', '.join(leaked)}"


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest, no_leaked_threads: None) -> None:
    """Fail an asynchronous test whose tasks still run at its end."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("no_leaked_tasks")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[
    None, pytest.TestReport, pytest.TestReport
]:
    """Turn a skip into a failure in CI, unless the missing part cannot be installed."""
    report = yield
    if os.environ.get("SENSORML_CI") != "1" or not report.skipped:
        return report
    reason = str(report.longrepr)
    no_recordings = "SENSORML_DATA" in reason and "SENSORML_DATA" not in os.environ
    no_litert = "ai-edge-litert" in reason and not importlib.util.find_spec(
        "ai_edge_litert"
    )
    not_built = "not built here" in reason
    if not (no_recordings or no_litert or not_built):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {reason}"
    return report

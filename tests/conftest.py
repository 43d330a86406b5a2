"""What holds for every test: nothing still runs when it ends, and in CI
(SENSORML_CI=1) nothing is skipped that could have run.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import os
import threading
from collections.abc import AsyncIterator, Generator, Iterator

import pytest
from hypothesis import settings

# Time limits of examples would fail on a busy machine: pytest has its own. CI
# tries the same examples every time, so that what it says is about the change;
# new ones are found by running the suite by hand.
settings.register_profile("house", deadline=None, max_examples=60)
settings.register_profile("ci", settings.get_profile("house"), derandomize=True)
settings.load_profile("ci" if os.environ.get("SENSORML_CI") == "1" else "house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--hardware",
        nargs="?",
        const="",
        metavar="FILE",
        help="prove the contracts on what is wired up, as tests/hardware.example.toml "
        "says it: pytest --hardware=FILE tests/contracts/test_wired.py",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("hardware") == "":
        raise pytest.UsageError(
            "--hardware: which file? Write down what is wired up, as "
            "tests/hardware.example.toml shows, and give it: --hardware=wiring.toml"
        )


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Fail a test that ends before its threads do."""
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
    """Fail an asynchronous test that ends before its tasks do."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("no_leaked_tasks")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[
    None, pytest.TestReport, pytest.TestReport
]:
    """In CI turn a skip into a failure, but for what is truly not there."""
    report = yield
    if os.environ.get("SENSORML_CI") != "1" or not report.skipped:
        return report
    why = str(report.longrepr)
    no_recordings = "SENSORML_DATA" in why and "SENSORML_DATA" not in os.environ
    no_litert = "ai-edge-litert" in why and not importlib.util.find_spec(
        "ai_edge_litert"
    )
    made_elsewhere = "not made here" in why
    if not (no_recordings or no_litert or made_elsewhere):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {why}"
    return report

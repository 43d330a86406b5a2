"""What holds for every test: nothing may still run when it ends."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

# Time limits of examples would fail on a busy machine: pytest has its own.
settings.register_profile("house", deadline=None, max_examples=60)
settings.load_profile("house")


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

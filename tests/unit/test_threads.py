"""A worker runs one call at a time, and its end waits for the call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from sensorml.threads import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker("bench") as worker:
        yield worker


async def test_calls_run_in_order_on_one_thread_of_its_name(worker: Worker) -> None:
    calls: list[tuple[int, str]] = []

    def call(i: int) -> int:
        calls.append((i, threading.current_thread().name))
        return i * i

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(worker.call(call, i)) for i in range(20)]
    assert [task.result() for task in tasks] == [i * i for i in range(20)]
    assert [i for i, _ in calls] == list(range(20))
    [name] = {name for _, name in calls}
    assert name.startswith("bench")


async def test_an_error_reaches_the_caller_and_the_thread_goes_on(worker) -> None:
    with pytest.raises(ZeroDivisionError):
        await worker.call(divmod, 1, 0)
    assert await worker.call(divmod, 7, 2) == (3, 1)


async def test_the_loop_goes_on_while_a_call_blocks(worker: Worker) -> None:
    released = threading.Event()
    task = asyncio.get_running_loop().create_task(worker.call(released.wait, 30))
    await asyncio.sleep(0)
    assert not task.done()
    released.set()
    assert await task


async def test_close_waits_for_the_call_that_runs_and_drops_the_rest() -> None:
    worker = Worker("bench")
    started, released = threading.Event(), threading.Event()
    ended: list[str] = []

    def transfer() -> None:
        started.set()
        released.wait(30)
        ended.append("transfer")

    running = asyncio.get_running_loop().create_task(worker.call(transfer))
    await asyncio.sleep(0)
    started.wait(30)
    waiting = worker._pool.submit(ended.append, "waiting")
    # `close` drops this call while it waits; then the transfer may end.
    waiting.add_done_callback(lambda _: released.set())
    worker.close()
    assert ended == ["transfer"]
    assert waiting.cancelled()
    await running


async def test_a_closed_worker_takes_no_calls(worker: Worker) -> None:
    worker.close()
    with pytest.raises(RuntimeError, match="shutdown"):
        await worker.call(print)

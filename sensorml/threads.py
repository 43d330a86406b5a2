"""Threads with an owner: one for each thing that blocks."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Worker:
    """One thread that runs blocking calls one at a time, in order.

    A call that has begun cannot be cancelled, only waited for: `close` does,
    so nothing is torn down under a transfer that is still on the wire.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def call(self, func: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.wrap_future(self._pool.submit(func, *args, **kwargs))

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _worker(name: str, stack: ExitStack) -> Worker:
    worker = Worker(name)
    stack.callback(worker.close)
    return worker


class Errand:
    """One daemon thread that runs calls one at a time, in order.

    Unlike a `Worker` it is never waited for while a call hangs: neither a stop
    of the service nor the exit of the process may depend on a server.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._hangs = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, func: Callable[[], R]) -> R:
        future: Future[R] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = func()
            except BaseException as err:  # noqa: BLE001 - raised where it is awaited
                future.set_exception(err)
            else:
                future.set_result(result)

        self._jobs.put(job)
        try:
            return await asyncio.wrap_future(future)
        finally:
            self._hangs = not future.done()

    def finish(self, func: Callable[[], None]) -> None:
        """Have `func` called last, and end; waits for it unless a call hangs."""
        self._jobs.put(func)
        self._jobs.put(None)
        if not self._hangs:
            self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

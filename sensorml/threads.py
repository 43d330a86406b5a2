"""Threads with an owner, one for each resource that blocks."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Worker:
    """One thread that runs blocking calls one at a time, in order.

    A call that has begun cannot be cancelled. `close`, or the end of the `with`
    block, waits for it, so that nothing is closed during a bus transfer.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def call(self, func: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `func` on the thread; return its result or raise its error."""
        return await asyncio.wrap_future(self._pool.submit(func, *args, **kwargs))

    def close(self) -> None:
        """Wait for the call that runs; drop those that have not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class DetachedWorker:
    """One daemon thread that runs calls one at a time, in order.

    Unlike a `Worker` it is not waited for while a call hangs, because neither a
    stop of the service nor the exit of the process may depend on a server.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._hangs = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, func: Callable[[], R]) -> R:
        """Run `func` on the thread; return its result or raise its error."""
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

    def finish(self, func: Callable[[], None], *, wait_s: float | None = None) -> None:
        """Run `func` as the last call and end; wait for it unless a call hangs."""
        self._jobs.put(func)
        self._jobs.put(None)
        if not self._hangs:
            self._thread.join(wait_s)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

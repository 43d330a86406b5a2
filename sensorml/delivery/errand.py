"""A thread that may be left behind, for calls that may hang in the network."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

R = TypeVar("R")


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

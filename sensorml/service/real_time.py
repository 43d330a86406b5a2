"""Real-time scheduling (SCHED_FIFO) of the threads that poll buses and drive lines.

The FIFO of an accelerometer holds the samples of some 40 ms, and a normal thread of a
busy computer may wait longer for a processor. The engine and the journal stay normal:
their work has no such limit. docs/decisions/0015-real-time.md has the reasons.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Final, Protocol

from sensorml.errors import Reason
from sensorml.threads import Worker

PRIORITY: Final = 20
"""Above normal threads, and below the kernel's own interrupt threads (50)."""
MOST_BUSY_S: Final = 0.5
"""A thread that computes for so long without a pause gets SIGXCPU: a loop that never
waits would keep all others from the processor."""

_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_MCL_ONFAULT: Final = 4  # or the unused stack of every thread would take memory


class Report(Protocol):
    """Writes an event."""

    def __call__(
        self, *, kind: str, subject: str, state: str, previous: str = "", detail: str
    ) -> None: ...


class RealTime:
    """The threads that are scheduled in real time, until one of them never waits."""

    def __init__(
        self, report: Report, stack: ExitStack, *, stop: Callable[[], None]
    ) -> None:
        """Prepare it on the event loop, until the stack closes.

        Args:
            report: writes the events.
            stack: undoes everything.
            stop: called for a SIGXCPU that is not for these threads.
        """
        self._report = report
        self._stop = stop
        self._stack = stack
        self._threads: list[int] = []
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGXCPU, self._end)
        stack.callback(loop.remove_signal_handler, signal.SIGXCPU)
        _limit_busy_time(stack)

    async def start(self, buses: Sequence[Worker]) -> None:
        """Schedule the threads of buses in real time; report once if they are."""
        refused = [await bus.call(self.enter) for bus in buses]
        if not refused:
            return
        why_not = next(filter(None, refused), None)
        reason = why_not or _lock_memory(self._stack)
        self._report(
            kind="scheduling",
            subject="bus threads",
            state="normal" if why_not else "real_time",
            detail=str(reason or f"SCHED_FIFO {PRIORITY}, memory locked"),
        )

    def enter(self) -> Reason | None:
        """Schedule the calling thread in real time; return why it cannot be."""
        why_not = schedule()
        if why_not is None:
            self._threads.append(threading.get_native_id())
        return why_not

    def _end(self) -> None:
        """Make them normal threads again, because one of them computes for long.

        Without such a thread the process has used up its RLIMIT_CPU.
        """
        threads, self._threads = self._threads, []
        policy = os.SCHED_OTHER | os.SCHED_RESET_ON_FORK
        for thread in threads:
            with suppress(ProcessLookupError):
                os.sched_setscheduler(thread, policy, os.sched_param(0))
        if not threads:
            self._stop()
        else:
            self._report(
                kind="scheduling",
                subject="bus threads",
                state="normal",
                previous="real_time",
                detail=f"a bus was busy for {MOST_BUSY_S:g} s without a pause: lower "
                "the rate_hz of its sensors, or raise its speed",
            )


def schedule() -> Reason | None:
    """Schedule the calling thread in real time; return why it cannot be.

    Threads and processes that it starts are normal ones.
    """
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, policy, os.sched_param(PRIORITY))
    except OSError as err:
        return _why_not(err)
    return None


def _limit_busy_time(stack: ExitStack) -> None:
    """Have SIGXCPU sent after `MOST_BUSY_S`, until the stack closes."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_RTTIME)
    most_us = round(MOST_BUSY_S * 1e6)
    if hard == resource.RLIM_INFINITY or most_us <= hard:
        resource.setrlimit(resource.RLIMIT_RTTIME, (most_us, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_RTTIME, before)


def _lock_memory(stack: ExitStack) -> Reason | None:
    """Keep the memory of the process from being swapped out until the stack closes.

    Returns:
        Why that is impossible.
    """
    limit = resource.RLIMIT_MEMLOCK
    before = resource.getrlimit(limit)
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    with suppress(ValueError, PermissionError):  # root may raise it
        resource.setrlimit(limit, unlimited)
        stack.callback(_restore, limit, before)
    if resource.getrlimit(limit) != unlimited:
        # With a limit, memory that is allocated later would fail beyond it.
        return Reason(
            f"memory is not locked (RLIMIT_MEMLOCK is {before[0] // 1024} kB)",
            "set LimitMEMLOCK=infinity in the unit; a container needs --ulimit "
            "memlock=-1",
        )
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        why = os.strerror(ctypes.get_errno())
        return Reason(
            f"memory is not locked ({why})", "a container needs --cap-add IPC_LOCK"
        )
    stack.callback(libc.munlockall)
    return None


def _restore(limit: int, before: tuple[int, int]) -> None:
    with suppress(ValueError, PermissionError):
        resource.setrlimit(limit, before)


def _why_not(err: OSError) -> Reason:
    limit, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    if 0 <= limit < PRIORITY:
        return Reason(
            f"real-time scheduling is not allowed (RLIMIT_RTPRIO is {limit}), so "
            "samples may be lost while the computer is busy",
            f"set LimitRTPRIO={PRIORITY} in the unit; a container needs --cap-add "
            f"SYS_NICE --ulimit rtprio={PRIORITY}",
        )
    return Reason(
        f"real-time scheduling is refused ({err.strerror}), so samples may be lost "
        "while the computer is busy",
        "remove RestrictRealtime= from the unit; a container needs --cap-add SYS_NICE",
    )

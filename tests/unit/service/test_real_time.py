"""Real-time scheduling, in processes of their own, because it is limited by process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import TypedDict

import pytest

START = """
import asyncio, json, os, resource, signal, threading, time
from contextlib import ExitStack
from sensorml.service.real_time import RealTime
from sensorml.threads import Worker

events, seen = [], []

def policy(thread=0):
    return os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK

def observe():
    seen.append(policy() == os.SCHED_FIFO)

async def main():
    with ExitStack() as stack, Worker("bus") as bus:
        scheduling = RealTime(
            lambda **event: events.append(event),
            stack,
            stop=lambda: seen.append("stop"),
        )
        await scheduling.start([bus])
        {body}

{before}
asyncio.run(main())
print(json.dumps([seen, events]))
"""


class Event(TypedDict, total=False):
    kind: str
    subject: str
    state: str
    previous: str
    detail: str


def run(body: str, *, before: str = "") -> tuple[list[bool | str], list[Event]]:
    """Run a service's bus thread; return what `observe` saw, and the events."""
    program = START.format(body=body, before=before)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seen, events = json.loads(done.stdout)
    return seen, events


@pytest.fixture
def allowed() -> None:
    """Skip where this user may not schedule in real time."""
    _, [event] = run("pass")
    if event["state"] != "real_time":
        pytest.skip(f"this user may not schedule in real time: {event['detail']}")


def test_only_the_thread_of_the_bus_is_scheduled_in_real_time(allowed: None) -> None:
    seen, [event] = run("observe(); await bus.call(observe)")
    assert seen == [False, True]
    assert (event["kind"], event["state"]) == ("scheduling", "real_time")


def test_what_a_bus_thread_starts_is_normal(allowed: None) -> None:
    body = """
        def start():
            thread = threading.Thread(target=observe)
            thread.start()
            thread.join()
        await bus.call(start)
    """
    seen, _ = run(textwrap.dedent(body).replace("\n", "\n        "))
    assert seen == [False]


def test_a_thread_that_never_waits_loses_real_time_and_that_is_reported(
    allowed: None,
) -> None:
    body = """
        def spin():
            end = time.monotonic() + 60
            while policy() == os.SCHED_FIFO and time.monotonic() < end:
                pass
            observe()
        await bus.call(spin)
    """
    seen, [_, event] = run(textwrap.dedent(body).replace("\n", "\n        "))
    assert seen == [False]
    assert (event["state"], event["previous"]) == ("normal", "real_time")
    assert event["detail"].startswith("a bus was busy for 0.5 s without a pause: ")


def test_a_user_who_may_not_gets_the_limit_and_its_cure() -> None:
    drop = "os.setgid(65534); os.setuid(65534)" if os.geteuid() == 0 else ""
    limit = "resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))"
    seen, [event] = run(
        "await bus.call(observe)", before=f"import resource; {limit}; {drop}"
    )
    assert (seen, event["state"]) == ([False], "normal")
    assert event["detail"].startswith(
        "real-time scheduling is not allowed (RLIMIT_RTPRIO is 0), so samples may be "
        "lost while the computer is busy: set LimitRTPRIO=20 in the unit"
    )


def test_the_signal_of_another_limit_stops_the_service() -> None:
    drop = "os.setgid(65534); os.setuid(65534)" if os.geteuid() == 0 else ""
    limit = "resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))"
    body = "signal.raise_signal(signal.SIGXCPU); await asyncio.sleep(0.01)"
    seen, events = run(body, before=f"{limit}; {drop}")
    assert (seen, len(events)) == (["stop"], 1)

"""Rows about the computer, the service on it, and its sinks, once a minute."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import Final

import sensorml
from sensorml.hardware.health import Health, health
from sensorml.hardware.tree import Tree
from sensorml.service.status import Running, status
from sensorml.storage.corruption import beside
from sensorml.storage.disk_faults import size_of
from sensorml.storage.rows import BoxRow, SinkRow
from sensorml.threads import DetachedWorker
from sensorml.types import AlarmState, SensorState

PERIOD_S: Final = 60.0
FIRST_S: Final = 5.0
"""After the start, so that sensors and sinks have a state."""


async def observe(running: Running) -> None:
    """Write rows until cancelled.

    A file system may not answer, so it is asked on a thread that nothing waits for.
    """
    path = running.committer.path
    look = partial(health, path.parent, Tree.at(Path("/")))
    thread = DetachedWorker("box")
    try:
        await asyncio.sleep(FIRST_S)
        while True:
            seen = await thread.call(look)
            journal_bytes = await thread.call(partial(size_bytes, path))
            at_ns = time.monotonic_ns()
            running.outbox.box(
                box_row(running, seen, journal_bytes, at_ns), sink_rows(running, at_ns)
            )
            await asyncio.sleep(PERIOD_S)
    finally:
        thread.finish(lambda: None)


def box_row(running: Running, seen: Health, journal_bytes: int, at_ns: int) -> BoxRow:
    """Return the row of this moment."""
    monitor = running.monitor
    states = [alarm.logic.state for alarm in monitor.alarms]
    sensors = [sensor.state for sensor in monitor.sensors.values()]
    return BoxRow(
        time_ns=at_ns,
        version=sensorml.__version__,
        state=status(running),
        alarms=states.count(AlarmState.ALARM),
        blind=states.count(AlarmState.UNKNOWN),
        faults=len(sensors) - sensors.count(SensorState.OK),
        temperature_c=seen.temperature_c,
        throttled=int(seen.throttled),
        throttling=", ".join(seen.throttling),
        load=seen.load,
        memory_free_bytes=seen.memory_free_bytes,
        process_bytes=seen.process_bytes,
        disk_free_bytes=seen.disk_free_bytes,
        journal_bytes=journal_bytes,
        waiting=len(running.outbox),
        uptime_ns=at_ns - running.started_ns,
    )


def sink_rows(running: Running, at_ns: int) -> list[SinkRow]:
    """Return the state of every sink."""
    return [
        SinkRow(
            time_ns=at_ns,
            sink=delivery.name,
            state=delivery.status.state,
            reason=delivery.status.reason,
            backlog=delivery.status.backlog,
            set_aside=delivery.status.set_aside,
        )
        for delivery in running.deliveries
    ]


def size_bytes(journal: Path) -> int:
    """Return the size of a journal with its write-ahead log; 0 without one."""
    return size_of(journal) + size_of(beside(journal, "-wal"))

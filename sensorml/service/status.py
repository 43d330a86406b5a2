"""The parts of a running service, and how it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sensorml.acquisition.bus_thread import SensorPoller
from sensorml.acquisition.inbox import Inbox
from sensorml.alarms.timer import LineTimer
from sensorml.config.tables import Config
from sensorml.service.monitor import Monitor
from sensorml.storage.committer import Committer
from sensorml.storage.outbox import Outbox

if TYPE_CHECKING:
    from sensorml.storage.delivery import Delivery


class Running(NamedTuple):
    """The parts of a running service, for those who look at it."""

    config: Config
    pollers: dict[str, list[SensorPoller]]
    monitor: Monitor
    inbox: Inbox
    timer: LineTimer
    outbox: Outbox
    committer: Committer
    deliveries: Sequence[Delivery]
    ready: asyncio.Event
    """Set with the first result."""
    started_ns: int


def iterations(running: Running) -> tuple[int, int]:
    """Return two counts: one moves while a bus's thread does, one with the engine's."""
    pollers = (each for bus in running.pollers.values() for each in bus)
    return sum(each.iterations for each in pollers), running.monitor.iterations


def status(running: Running) -> str:
    """Say in one line how the service is."""
    monitor = running.monitor
    parts = [f"{sensor.name} {sensor.state}" for sensor in monitor.sensors.values()]
    parts += [f"{watch.name} {watch.logic.state}" for watch in monitor.watches]
    parts += [
        f"{stream.model} degraded: {stream.pipeline.engine.why}"
        for stream in monitor.streams
        if stream.pipeline.engine.degraded
    ]
    if running.committer.error:
        parts.append(f"store: {running.committer.error}")
    parts += [
        f"{delivery.name} {delivery.status.state}"
        for delivery in running.deliveries
        if delivery.status.state != "ok"
    ]
    return ", ".join(parts)

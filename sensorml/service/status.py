"""The parts of a running service, and its status."""

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
    """The parts of a service, as `build.build` returns them."""

    config: Config
    pollers: dict[str, list[SensorPoller]]
    """By thread; the sensors of one bus share one."""
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
    """Return the iterations of all bus threads, and those of the engine's thread."""
    pollers = (poller for bus in running.pollers.values() for poller in bus)
    return sum(poller.iterations for poller in pollers), running.monitor.iterations


def status(running: Running) -> str:
    """Return the status of the service in one line."""
    monitor = running.monitor
    parts = [f"{sensor.name} {sensor.state}" for sensor in monitor.sensors.values()]
    parts += [f"{alarm.name} {alarm.logic.state}" for alarm in monitor.alarms]
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

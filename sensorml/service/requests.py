"""The answers of the running service to the requests on its control socket."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from sensorml.acquisition.inbox import Acknowledge, Inbox, Reading
from sensorml.config.tables import Config, Sensor
from sensorml.errors import (
    OutputError,
    Reason,
    SensormlError,
    SourceEndedError,
    plain_text,
)
from sensorml.schema import nearest
from sensorml.service import control, messages
from sensorml.service.control import Answers
from sensorml.service.messages import (
    Answer,
    Done,
    Ended,
    Failed,
    Opened,
    Quiet,
    Request,
    Rows,
    Settings,
    Unknown,
    difference,
    settings,
)
from sensorml.service.status import Running
from sensorml.types import Block

QUIET_S: Final = 1.0
"""The longest time between two answers; after it a client that is gone is noticed."""
MAX_COPIES: Final = 4096
"""Blocks that wait for a recorder: some 20 s of a sensor at 3200 Hz. Then the oldest
are dropped, and the recorder is informed how many rows it has missed."""


async def serve(running: Running, store: Path) -> None:
    """Answer requests until cancelled; without a socket, report that and return."""
    with ExitStack() as stack:
        try:
            listener = control.listen(store, stack)
        except OutputError as err:
            running.outbox.event(
                kind="service",
                subject=running.config.device,
                state="unreachable",
                detail=str(err),
            )
            return
        await control.serve(listener, partial(_respond, running))


def acknowledge(config: Config, inbox: Inbox, alarm: str, by: str) -> Reason | None:
    """Have the engine's thread acknowledge an alarm; return why it cannot, or None."""
    names = [rule.name for rule in config.alarms]
    if alarm not in names:
        return Reason(f"there is no alarm {plain_text(alarm)!r}", nearest(alarm, names))
    who = plain_text(by, longest=80)
    inbox.put(Reading("", time.monotonic_ns(), Acknowledge(alarm, who)))
    return None


def _respond(running: Running, request: Request) -> Answers:
    if isinstance(request, messages.Acknowledge):
        why_not = acknowledge(running.config, running.inbox, request.alarm, request.by)
        return _done() if why_not is None else control.refuse(*why_not)
    for sensor in running.config.sensors:
        if sensor.name == request.sensor:
            different = _difference(sensor, request.settings)
            return different or _blocks(running, sensor)
    return _unknown()


def _difference(sensor: Sensor, theirs: Settings) -> Answers | None:
    """Return a refusal if the client has other settings for the sensor."""
    if not theirs:
        return None
    different = difference(settings(sensor.options), theirs)
    if not different:
        return None
    what = f"in the running service, {different} for {sensor.name}"
    return control.refuse(what, "restart the service, or correct the file")


async def _done() -> Answers:
    yield Done()


async def _unknown() -> Answers:
    yield Unknown()


async def _blocks(running: Running, sensor: Sensor) -> Answers:
    """Yield the blocks of a sensor from now on, and its failures."""
    loop, filled = asyncio.get_running_loop(), asyncio.Event()

    def fill() -> None:
        loop.call_soon_threadsafe(filled.set)

    copy, first = Inbox(MAX_COPIES, filled=fill), True
    with running.inbox.copied(sensor.name, copy):
        yield Opened()
        health = running.monitor.sensors[sensor.name]
        if health.blind:
            yield Failed(why=health.reason)
        while True:
            while (reading := copy.get(0)) is not None:
                answer = _answer(reading, first=first)
                first = first and not isinstance(answer, Rows)
                yield answer
                if isinstance(answer, Ended):
                    return
            try:
                async with asyncio.timeout(QUIET_S):
                    await filled.wait()
                filled.clear()
            except TimeoutError:
                yield Quiet()


def _answer(reading: Reading, *, first: bool) -> Answer:
    """Return a reading as an answer; what was missed before the first is no gap."""
    content = reading.content
    if isinstance(content, Block):
        return Rows.of(content, missed=0 if first else content.missed)
    if isinstance(content, SourceEndedError):
        return Ended()
    if isinstance(content, SensormlError):
        return Failed(why=str(content))
    return Quiet()

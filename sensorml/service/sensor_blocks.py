"""The blocks of one sensor for a command: through the running service, or directly.

A service that runs with the same journal has the sensor, and copies its blocks to the
command. Without one, the command reads the sensor itself, if no process uses it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from sensorml import plugins
from sensorml.acquisition.bus_thread import SensorPoller, Wake, run_bus
from sensorml.acquisition.inbox import Inbox
from sensorml.buses.ownership import held
from sensorml.config.tables import Sensor
from sensorml.errors import (
    InUseError,
    SensorError,
    SensormlError,
    ServiceError,
    SourceEndedError,
)
from sensorml.interfaces import DriverModule
from sensorml.service import control
from sensorml.service.messages import (
    Answer,
    Ended,
    Failed,
    Opened,
    Record,
    Refused,
    Rows,
    settings,
)
from sensorml.types import Block, Channel

QUIET_S: Final = 0.25
"""The longest time between two items."""
ANSWER_S: Final = 5.0
"""The time in which the service must answer a request."""
SILENT_S: Final = 30.0
"""A service that then sends nothing for so long hangs."""

Item: TypeAlias = Block | SensormlError | None
"""Rows; a failure, after which the sensor is started again; or None: nothing new."""


class SensorBlocks(NamedTuple):
    """A sensor that is being read."""

    channels: Sequence[Channel]
    items: Iterator[Item]
    """Without end, unless the source or the service ends; an item at least every
    QUIET_S. Times are those of CLOCK_MONOTONIC."""


@contextmanager
def open_sensor(sensor: Sensor, store: Path) -> Iterator[SensorBlocks]:
    """Read a sensor until the end of the `with` block.

    What the caller does with a block delays no read: blocks wait in a bounded queue,
    and rows that find no room there are missed in the next block.

    Args:
        sensor: a sensor of a configuration.
        store: the journal of that configuration, beside which its service listens.

    Raises:
        ServiceError: the service that runs has other settings, or does not answer.
        InUseError: another process has the chip.
        BusError: the bus is not there.
    """
    module = plugins.driver(sensor.driver)
    channels = module.channels(sensor.options)
    with ExitStack() as stack:
        denied = ""
        try:
            client = control.connect(store)
        except PermissionError:
            client, denied = None, f"{control.path_of(store)} admits other users only"
        lines = None if client is None else _through(client, sensor, stack)
        if lines is not None:
            yield SensorBlocks(channels, _served(lines))
            return
        try:
            stack.enter_context(held(*sensor.options.held()))
        except InUseError as err:
            if not denied:
                raise InUseError(f"{sensor.name}: {err.what}", err.cure) from err
            cure = "use sudo, or add the user to the group of the service"
            raise ServiceError(
                f"{sensor.name}: {err.what}, and {denied}", cure
            ) from err
        yield SensorBlocks(channels, stack.enter_context(_directly(module, sensor)))


def _through(
    client: socket.socket, sensor: Sensor, stack: ExitStack
) -> Iterator[Answer | None] | None:
    """Ask a service for the sensor; return its answers, None: it has no such sensor.

    Raises:
        ServiceError: it refuses, or does not answer.
    """
    stack.enter_context(closing(client))
    request = Record(sensor=sensor.name, settings=settings(sensor.options))
    lines = control.ask(client, request, QUIET_S)
    for _ in range(round(ANSWER_S / QUIET_S)):
        match next(lines, Refused(what="the service has ended")):
            case Opened():
                return lines
            case Refused(what=what, cure=cure):
                raise ServiceError(what, cure)
            case None:
                continue
            case _:  # it does not know the sensor
                return None
    raise ServiceError("the running service does not answer", "restart it")


def _served(answers: Iterator[Answer | None]) -> Iterator[Item]:
    silent = 0
    for answer in answers:
        silent = silent + 1 if answer is None else 0
        if silent * QUIET_S >= SILENT_S:
            yield ServiceError("the running service sends nothing", "restart it")
            return
        match answer:
            case Rows():
                yield answer.block()
            case Failed(why=why):
                yield SensorError(why)
            case Ended():
                return
            case _:
                yield None
    yield ServiceError("the running service has ended", "start it again, or wait")


@contextmanager
def _directly(module: DriverModule, sensor: Sensor) -> Iterator[Iterator[Item]]:
    """Read the sensor on a thread of its own."""
    poller = SensorPoller(sensor.name, module.Driver(sensor.options))
    inbox, stop = Inbox(), Wake()
    with ThreadPoolExecutor(1, thread_name_prefix=sensor.name) as thread:
        reading = thread.submit(run_bus, [poller], inbox, stop)
        reading.add_done_callback(lambda _: inbox.close())
        try:
            yield _read(inbox)
        finally:
            stop.set()
            inbox.close()  # a source that waits for room returns
            reading.result()


def _read(inbox: Inbox) -> Iterator[Item]:
    while not inbox.drained:
        reading = inbox.get(QUIET_S)
        content = None if reading is None else reading.content
        if isinstance(content, SourceEndedError):
            return
        yield content if isinstance(content, Block | SensormlError) else None

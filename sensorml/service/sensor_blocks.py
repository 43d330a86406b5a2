"""The blocks of one sensor, for a command that uses them outside the service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, NamedTuple, TypeAlias

from sensorml import plugins
from sensorml.acquisition.bus_thread import SensorPoller, Wake, run_bus
from sensorml.acquisition.inbox import Inbox
from sensorml.buses.ownership import held
from sensorml.config.tables import Sensor
from sensorml.errors import SensormlError, SourceEndedError
from sensorml.types import Block, Channel

QUIET_S: Final = 0.25
"""The longest time between two items."""

Item: TypeAlias = Block | SensormlError | None
"""Rows; a failure, after which the sensor is started again; or None: nothing new."""


class SensorBlocks(NamedTuple):
    """A sensor that is being read."""

    channels: Sequence[Channel]
    items: Iterator[Item]
    """Without end, unless the source ends; an item at least every QUIET_S. Times are
    those of CLOCK_MONOTONIC."""


@contextmanager
def open_sensor(sensor: Sensor) -> Iterator[SensorBlocks]:
    """Read a sensor on its own thread until the end of the `with` block.

    What the caller does with a block delays no read: blocks wait in a bounded inbox,
    and rows that find no room there are missed in the next block.

    Raises:
        InUseError: another process has the chip.
        BusError: the bus is not there.
    """
    module, options = plugins.driver(sensor.driver), sensor.options
    poller = SensorPoller(sensor.name, module.Driver(options))
    inbox, stop = Inbox(), Wake()
    with (
        held(*options.held()),
        ThreadPoolExecutor(1, thread_name_prefix=sensor.name) as thread,
    ):
        reading = thread.submit(run_bus, [poller], inbox, stop)
        reading.add_done_callback(lambda _: inbox.close())
        try:
            yield SensorBlocks(module.channels(sensor.options), _items(inbox))
        finally:
            stop.set()
            inbox.close()  # a source that waits for room returns
            reading.result()


def _items(inbox: Inbox) -> Iterator[Item]:
    while not inbox.drained:
        reading = inbox.get(QUIET_S)
        content = None if reading is None else reading.content
        if isinstance(content, SourceEndedError):
            return
        yield content if isinstance(content, Block | SensormlError) else None

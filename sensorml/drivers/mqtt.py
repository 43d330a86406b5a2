"""An MQTT topic as a sensor: every message is one row or several.

    host = "192.168.1.5"
    topic = "zigbee2mqtt/pump"
    fields = ["temperature"]

The format of a message is in `acquisition/text_rows.py`. It needs paho-mqtt: pip
install 'sensorml[mqtt]'.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from sensorml.acquisition import text_rows
from sensorml.acquisition.arrival_clock import ArrivalClock
from sensorml.acquisition.text_rows import TextOptions
from sensorml.buses import mqtt
from sensorml.buses.flood import RowLimit
from sensorml.clock import WallClock
from sensorml.errors import BusError, OptionError
from sensorml.interfaces import Cures
from sensorml.types import Block, Channel

log = logging.getLogger(__name__)


class Options(TextOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "mqtt"`."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """Omitted: 1883, or 8883 with TLS."""
    topic: Annotated[str, Meta(pattern="^[^#+\0]+$", max_length=1000)]
    """One topic without wildcards, which would mix several topics in one sensor."""
    qos: Literal[0, 1] = 1
    username: str | None = None
    password_file: str | None = None
    tls: bool = False
    ca_file: str | None = None
    """The only trusted authority, with TLS; omitted: those of the system."""
    time_field: str = ""
    """The member with the time of a row: ISO 8601, or s, ms, µs or ns since 1970.
    Omitted: the time of its arrival. Both clocks must be right."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.password_file is not None and self.username is None:
            raise OptionError("has a password_file and no username", "add username")
        if self.time_field and self.fields is None:
            raise OptionError(
                "has time_field and no fields", "name those of the values"
            )

    @property
    def encrypted(self) -> bool:
        return self.tls or self.ca_file is not None

    @property
    def broker(self) -> str:
        """The broker's "host:port"."""
        return f"{self.host}:{self.port or (8883 if self.encrypted else 1883)}"

    @property
    def thread(self) -> str:
        return f"mqtt-{self.broker}"

    @property
    def cures(self) -> Cures:
        return text_rows.cures("check the broker and the program that publishes")


def channels(options: Options) -> Sequence[Channel]:
    return text_rows.channels(options)


class Driver:
    """One topic, subscribed from start to stop."""

    def __init__(
        self,
        options: Options,
        clock: Callable[[], int] = time.monotonic_ns,
        utc_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.period_s = options.period_s
        self._options = options
        self._clock = clock
        self._wall = WallClock(monotonic_ns=clock, utc_ns=utc_ns)
        self._subscription: mqtt.Subscription | None = None

    def start(self) -> None:
        self.stop()
        self.bad = 0
        """Messages that were no row; they count as missed rows."""
        self._arrivals = ArrivalClock(self._options.rate_hz)
        self._limit = RowLimit(self._options.rate_hz)
        self._subscription = mqtt.Subscription(self._options, self._clock)

    def read(self) -> Block | None:
        if self._subscription is None:
            raise BusError(f"mqtt {self._options.topic}: not started")
        rows: list[text_rows.TextRow] = []
        newest_ns = 0
        for message in self._subscription.take():
            if some := self._rows(message.payload):
                if why := self._limit.exceeded(len(some), self._clock()):
                    raise BusError(
                        f"{self._options.broker}: {self._options.topic!r} {why}"
                    )
                rows += some
                newest_ns = self._taken_ns(some[-1], message.at_ns)
        if not rows:
            return None
        values = [row.values for row in rows]
        return self._arrivals.block(values, newest_ns, self._clock())

    def stop(self) -> None:
        if self._subscription is not None:
            subscription, self._subscription = self._subscription, None
            subscription.close()

    def _taken_ns(self, row: text_rows.TextRow, at_ns: int) -> int:
        """Return the time of a row, at most that of its arrival."""
        if row.utc_ns is None:
            return at_ns
        self._wall.check()
        return min(at_ns, row.utc_ns - self._wall.offset_ns)

    def _rows(self, payload: bytes) -> Sequence[text_rows.TextRow]:
        """Return the rows of a message; count one without rows, and log the first."""
        options = self._options
        try:
            return text_rows.parse(payload, options, options.time_field)
        except ValueError as err:
            if not self.bad:
                log.warning(
                    "%s %s: a message is no row: %s; such messages are ignored",
                    options.broker,
                    options.topic,
                    err,
                )
            self.bad += 1
            return ()

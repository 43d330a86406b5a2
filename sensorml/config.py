"""The service's configuration as types; `loading` reads a file into them.

Rules within one table are in its `__post_init__`, rules between tables in
`loading`. The keys of a driver or a sink are in its own file.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from sensorml.resources import model_folder
from sensorml.schema import Table

Seconds = Annotated[float, Meta(ge=0, le=1e8)]
Gpio = int | str
"""A line by BCM number, header pin ("BOARD11") or name ("GPIO17")."""


class Sensor(NamedTuple):
    """One `[[sensor]]`."""

    name: str
    driver: str
    options: msgspec.Struct
    stale_after_s: float | None = None
    """So long without a sample and the sensor is stale; None: by its rate."""


class Model(Table, frozen=True, kw_only=True):
    """One `[[model]]`."""

    name: str
    path: str
    sensor: str
    delegate: str = "auto"
    fallback: Literal["cpu"] | None = None


class When(Table, frozen=True, kw_only=True):
    """A condition on a sensor's first channel; all that are given must hold."""

    equals: float | None = None
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        if self.equals is None and self.above is None and self.below is None:
            raise ValueError("is empty: give equals, above or below")


class Alarm(Table, frozen=True, kw_only=True):
    """One `[[alarm]]`: from a model's scores, or straight from a sensor."""

    name: str
    model: str | None = None
    sensor: str | None = None
    when: When | None = None
    of: tuple[int, int] | None = None
    """On when k of the last n windows are over the threshold."""
    clear_after_s: Seconds | None = None
    clear_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.8
    latch: bool = False
    acknowledge_gpio: Gpio | None = None
    gpio: Gpio | None = None
    active: Literal["high", "low"] = "high"
    fail_safe: Literal["on", "off"] = "on"

    def __post_init__(self) -> None:
        if (self.model is None) == (self.sensor is None):
            raise ValueError("needs either model or sensor: give exactly one of them")
        if self.sensor is not None and self.when is None:
            raise ValueError("has a sensor and no condition: add [alarm.when]")
        if self.sensor is None and self.when is not None:
            raise ValueError(
                "has a model and [alarm.when]: a model's alarm follows its threshold, "
                "remove [alarm.when]"
            )
        k, n = self.votes
        if not 1 <= k <= n <= 10_000:
            raise ValueError(
                f"of = [{k}, {n}] is impossible: give [k, n] with 1 <= k <= n"
            )

    @property
    def votes(self) -> tuple[int, int]:
        """`(k, n)`; a contact needs no second opinion, a model's window does."""
        return self.of or ((3, 5) if self.model else (1, 1))

    @property
    def dwell_s(self) -> float:
        if self.clear_after_s is not None:
            return self.clear_after_s
        return 30.0 if self.model else 0.0


class Sink(NamedTuple):
    """One `[[sink]]`; `name` tells its offset in the journal from others'."""

    name: str
    driver: str
    options: msgspec.Struct


class Store(Table, frozen=True, kw_only=True):
    """`[store]`."""

    path: str | None = None
    max_mb: Annotated[float, Meta(ge=1, le=1e9)] = 512.0
    commit_s: Annotated[float, Meta(ge=0.05, le=60)] = 1.0
    timing_s: Annotated[float, Meta(ge=1, le=86_400)] = 10.0
    """One row of delay percentiles per stage for every so many seconds."""


class Web(Table, frozen=True, kw_only=True):
    """`[web]`."""

    listen: str = "127.0.0.1:8787"
    token_file: str | None = None

    def __post_init__(self) -> None:
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(
                f'listen = "{self.listen}" is not an address: write "127.0.0.1:8787"'
            )
        if self.token_file is None and not _is_loopback(host):
            raise ValueError(
                f'listen = "{self.listen}" is open to the network: add token_file, '
                "or listen on 127.0.0.1"
            )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Config(NamedTuple):
    """A whole, consistent configuration; every name in it is resolved."""

    path: Path
    device: str
    sensors: tuple[Sensor, ...]
    models: tuple[Model, ...]
    alarms: tuple[Alarm, ...]
    sinks: tuple[Sink, ...]
    store: Store
    web: Web

    def model_folder(self, model: Model) -> Path:
        return model_folder(model.path, self.path.parent)

    def store_path(self) -> Path:
        """Where the journal is: configured, systemd's, or the default."""
        if self.store.path is not None:
            return self.path.parent / self.store.path
        return Path(os.environ.get("STATE_DIRECTORY", "/var/lib/sensorml")) / (
            "journal.db"
        )

"""The tables of a configuration file, as types; `loading` reads a file into them.

Rules within one table are in its `__post_init__`, rules between tables in
`loading`. The keys of a driver or a sink are in its own file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from sensorml.buses.i2c_adapters import bus_name
from sensorml.errors import OptionError, Problem
from sensorml.gpio.names import LineName
from sensorml.interfaces import LineClaim, SensorOptions
from sensorml.pipeline.model_card import Card
from sensorml.resources import model_folder
from sensorml.schema import Table

Seconds = Annotated[float, Meta(ge=0, le=1e8)]
Positive = Annotated[float, Meta(gt=0, le=1e8)]
Pulse = Annotated[float, Meta(ge=0.2, le=10)]
Blink = Annotated[float, Meta(ge=0.05, le=3600)]


class Sensor(NamedTuple):
    """One `[[sensor]]`."""

    name: str
    driver: str
    options: SensorOptions
    stale_after_s: float | None = None
    """The sensor is stale after this time without a sample; None: by its rate."""


class Trigger(Table, frozen=True, kw_only=True):
    """A line whose edges start a window; without an edge no window is scored."""

    gpio: LineName
    edge: Literal["rising", "falling"] = "rising"
    pull: Literal["up", "down", "none"] = "down"
    bounce_s: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """A level is accepted after it has lasted this long."""
    delay_s: Annotated[float, Meta(ge=0, le=60)] = 0.0
    """From the edge to the window's first sample."""

    @property
    def edges(self) -> tuple[str, str, float]:
        """The edges that it uses; models that use the same may share the line."""
        return self.edge, self.pull, self.bounce_s

    def lines(self) -> Iterator[LineClaim]:
        yield LineClaim("gpio", self.gpio, f"trigger {self.edges}")


class Model(Table, frozen=True, kw_only=True):
    """One `[[model]]`."""

    name: str
    path: str
    sensor: str
    delegate: str = "auto"
    device: str | None = None
    """One of the delegate's devices, counted from 0: "usb:1"."""
    fallback: Literal["cpu"] | None = None
    trigger: Trigger | None = None

    def __post_init__(self) -> None:
        if self.device is None:
            return
        if not re.fullmatch("usb|pci|(usb|pci)?:[0-9]{1,2}", self.device):
            raise OptionError(
                f'device = "{self.device}" is invalid',
                'write "usb", "usb:1" or "pci:0"',
            )
        if self.delegate in {"auto", "cpu"}:
            raise OptionError(
                f'has a device and delegate = "{self.delegate}"',
                "name the delegate of that device, or remove device",
            )


class When(Table, frozen=True, kw_only=True):
    """A condition on a sensor's first channel; every key that is set must hold."""

    equals: float | None = None
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        if self.equals is None and self.above is None and self.below is None:
            raise OptionError("is empty", "give equals, above or below")


class Alarm(Table, frozen=True, kw_only=True):
    """One `[[alarm]]`, of a model's scores or of a sensor's values."""

    name: str
    model: str | None = None
    sensor: str | None = None
    when: When | None = None
    of: tuple[int, int] | None = None
    """On when k of the last n windows exceed the threshold."""
    clear_after_s: Seconds | None = None
    clear_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.8
    latch: bool = False
    acknowledge_gpio: LineName | None = None
    arm_gpio: LineName | None = None
    """The alarm is armed only while this contact to ground is closed."""
    gpio: LineName | None = None
    active: Literal["high", "low"] = "high"
    pattern: Literal["level", "blink", "pulse"] = "level"
    """The pattern of the line while the alarm is on; it is constant while unknown."""
    blink_s: tuple[Blink, Blink] = (0.5, 0.5)
    """The times on and off."""
    pulse_s: Blink = 1.0
    """The length of the one pulse when the alarm goes on."""
    fail_safe: Literal["on", "off"] = "on"

    def __post_init__(self) -> None:
        if (self.model is None) == (self.sensor is None):
            raise OptionError(
                "needs either model or sensor", "give exactly one of them"
            )
        if self.sensor is not None and self.when is None:
            raise OptionError("has a sensor, but no condition", "add [alarm.when]")
        if self.sensor is None and self.when is not None:
            raise OptionError(
                "has both model and [alarm.when]",
                "a model's alarm follows its threshold, remove [alarm.when]",
            )
        k, n = self.votes
        if not 1 <= k <= n <= 10_000:
            raise OptionError(
                f"of = [{k}, {n}] is impossible", "give [k, n] with 1 <= k <= n"
            )

    @property
    def votes(self) -> tuple[int, int]:
        """`(k, n)`; by default 3 of 5 windows of a model, or 1 value of a sensor."""
        return self.of or ((3, 5) if self.model else (1, 1))

    @property
    def dwell_s(self) -> float:
        if self.clear_after_s is not None:
            return self.clear_after_s
        return 30.0 if self.model else 0.0

    def lines(self) -> Iterator[LineClaim]:
        """Return its lines; alarms may share buttons and switches."""
        if self.gpio is not None:
            yield LineClaim("gpio", self.gpio)
        if self.acknowledge_gpio is not None:
            yield LineClaim("acknowledge_gpio", self.acknowledge_gpio, "acknowledge")
        if self.arm_gpio is not None:
            yield LineClaim("arm_gpio", self.arm_gpio, "arm")


class Meter(Table, frozen=True, kw_only=True):
    """One `[[meter]]`: a line whose pulses show a model's last score.

    It shows 0 % without a score: the sensor sends nothing, or the window could not
    be judged.
    """

    name: str
    model: str
    gpio: LineName
    kind: Literal["pwm", "servo"] = "pwm"
    """pwm: high for 0 to 100 % of the time, for a moving-coil meter or a lamp. servo:
    a pulse of `pulse_ms` 50 times a second."""
    full_scale: Positive | None = None
    """The score shown as 100 %; None: twice the model's threshold."""
    frequency_hz: Annotated[float, Meta(ge=0.1, le=10_000)] = 1000.0
    """The frequency of kind "pwm"."""
    pulse_ms: tuple[Pulse, Pulse] = (1.0, 2.0)
    """The pulse of kind "servo" at 0 % and at 100 %; the first may be the longer."""

    def lines(self) -> Iterator[LineClaim]:
        yield LineClaim("gpio", self.gpio)


class Heartbeat(Table, frozen=True, kw_only=True):
    """`[heartbeat]`: a line that toggles while samples arrive."""

    gpio: LineName
    period_s: Annotated[float, Meta(ge=0.1, le=60)] = 1.0
    """The time of one high and one low together."""
    timeout_s: Annotated[float, Meta(ge=0.5, le=3600)] = 5.0
    """After this time without samples from any sensor the line stops toggling."""

    def lines(self) -> Iterator[LineClaim]:
        yield LineClaim("gpio", self.gpio)


class Sink(NamedTuple):
    """One `[[sink]]`; its offset in the journal is stored under `name`."""

    name: str
    driver: str
    options: Table


class Bus(Table, frozen=True, kw_only=True):
    """One `[[bus]]`: the speed of an I2C bus."""

    number: (
        Annotated[int, Meta(ge=0)]
        | Annotated[
            str,
            Meta(pattern="^(usb:|/dev/)", examples=["usb:1-1.2", "/dev/i2c-motor"]),
        ]
    )
    """The same value as `bus` of its sensors."""
    speed_hz: Annotated[int, Meta(ge=10_000, le=5_000_000)]
    """Its real speed."""

    @property
    def name(self) -> str:
        """The thread of the sensors on this bus."""
        return bus_name(self.number)


class Store(Table, frozen=True, kw_only=True):
    """`[store]`."""

    path: str | None = None
    max_mb: Annotated[float, Meta(ge=1, le=1e9)] = 512.0
    commit_s: Annotated[float, Meta(ge=0.05, le=60)] = 1.0
    timing_s: Annotated[float, Meta(ge=1, le=86_400)] = 10.0
    """The time between two rows of delay percentiles, one row per stage."""
    features_s: Annotated[float, Meta(ge=0, le=86_400)] = 60.0
    """The time between two rows of a feature; 0: features are not written."""


class Web(Table, frozen=True, kw_only=True):
    """`[web]`."""

    listen: str = "127.0.0.1:8787"
    token_file: str | None = None

    def __post_init__(self) -> None:
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise OptionError(
                f'listen = "{self.listen}" is not an address', 'write "127.0.0.1:8787"'
            )
        if self.token_file is None and not _is_loopback(host):
            raise OptionError(
                f'listen = "{self.listen}" is open to the network',
                "add token_file, or listen on 127.0.0.1",
            )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Config(NamedTuple):
    """A configuration without errors; every name in it exists."""

    path: Path
    device: str
    sensors: tuple[Sensor, ...]
    models: tuple[Model, ...]
    alarms: tuple[Alarm, ...]
    sinks: tuple[Sink, ...]
    store: Store
    web: Web
    meters: tuple[Meter, ...] = ()
    heartbeat: Heartbeat | None = None
    cards: tuple[Card, ...] = ()
    """The models' cards, in the order of `models`; their files are verified."""
    warnings: tuple[Problem, ...] = ()
    """Settings that are allowed, but probably not intended."""

    def model_folder(self, model: Model) -> Path:
        return model_folder(model.path, self.path.parent)

    def store_path(self) -> Path:
        """Return the path of the journal: configured, systemd's, or the default."""
        if self.store.path is not None:
            return self.path.parent / self.store.path
        return Path(os.environ.get("STATE_DIRECTORY", "/var/lib/sensorml")) / (
            "journal.db"
        )

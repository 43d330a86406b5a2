"""The service's configuration as types; `loading` reads a file into them.

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
    """So long without a sample and the sensor is stale; None: by its rate."""


class Trigger(Table, frozen=True, kw_only=True):
    """A line whose edges say when a window begins; between them none is scored."""

    gpio: LineName
    edge: Literal["rising", "falling"] = "rising"
    pull: Literal["up", "down", "none"] = "down"
    bounce_s: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """A level counts when it has lasted so long."""
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
    """Which of the delegate's devices, counted from 0: "usb:1"."""
    fallback: Literal["cpu"] | None = None
    trigger: Trigger | None = None

    def __post_init__(self) -> None:
        if self.device is None:
            return
        if not re.fullmatch("usb|pci|(usb|pci)?:[0-9]{1,2}", self.device):
            raise OptionError(
                f'device = "{self.device}" is none', 'write "usb", "usb:1" or "pci:0"'
            )
        if self.delegate in {"auto", "cpu"}:
            raise OptionError(
                f'has a device and delegate = "{self.delegate}"',
                "name the delegate that the device is of, or remove device",
            )


class When(Table, frozen=True, kw_only=True):
    """A condition on a sensor's first channel; all that are given must hold."""

    equals: float | None = None
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        if self.equals is None and self.above is None and self.below is None:
            raise OptionError("is empty", "give equals, above or below")


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
    acknowledge_gpio: LineName | None = None
    arm_gpio: LineName | None = None
    """The alarm is off, whatever happens, unless this contact to ground is closed."""
    gpio: LineName | None = None
    active: Literal["high", "low"] = "high"
    pattern: Literal["level", "blink", "pulse"] = "level"
    """What the line does while the alarm is on. Without sight it is still."""
    blink_s: tuple[Blink, Blink] = (0.5, 0.5)
    """On and off."""
    pulse_s: Blink = 1.0
    """One pulse so long when the alarm goes on."""
    fail_safe: Literal["on", "off"] = "on"

    def __post_init__(self) -> None:
        if (self.model is None) == (self.sensor is None):
            raise OptionError(
                "needs either model or sensor", "give exactly one of them"
            )
        if self.sensor is not None and self.when is None:
            raise OptionError("has a sensor and no condition", "add [alarm.when]")
        if self.sensor is None and self.when is not None:
            raise OptionError(
                "has a model and [alarm.when]",
                "a model's alarm follows its threshold, remove [alarm.when]",
            )
        k, n = self.votes
        if not 1 <= k <= n <= 10_000:
            raise OptionError(
                f"of = [{k}, {n}] is impossible", "give [k, n] with 1 <= k <= n"
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

    def lines(self) -> Iterator[LineClaim]:
        """Return its lines; alarms may share buttons and switches."""
        if self.gpio is not None:
            yield LineClaim("gpio", self.gpio)
        if self.acknowledge_gpio is not None:
            yield LineClaim("acknowledge_gpio", self.acknowledge_gpio, "acknowledge")
        if self.arm_gpio is not None:
            yield LineClaim("arm_gpio", self.arm_gpio, "arm")


class Meter(Table, frozen=True, kw_only=True):
    """One `[[meter]]`: a line whose pulses follow a model's last score.

    0 % is also what it shows when there is none: the sensor is silent, or the
    window could not be judged.
    """

    name: str
    model: str
    gpio: LineName
    kind: Literal["pwm", "servo"] = "pwm"
    """pwm: 0 to 100 % of the time high, for a moving-coil meter or a lamp. servo:
    a pulse of `pulse_ms` 50 times a second."""
    full_scale: Positive | None = None
    """The score that is 100 %; None: twice the model's threshold."""
    frequency_hz: Annotated[float, Meta(ge=0.1, le=10_000)] = 1000.0
    """Of kind "pwm"."""
    pulse_ms: tuple[Pulse, Pulse] = (1.0, 2.0)
    """The pulse of kind "servo" at 0 % and at 100 %; the first may be the longer."""

    def lines(self) -> Iterator[LineClaim]:
        yield LineClaim("gpio", self.gpio)


class Heartbeat(Table, frozen=True, kw_only=True):
    """`[heartbeat]`: a line that toggles as long as data moves."""

    gpio: LineName
    period_s: Annotated[float, Meta(ge=0.1, le=60)] = 1.0
    """High and low together."""
    timeout_s: Annotated[float, Meta(ge=0.5, le=3600)] = 5.0
    """After this time without samples from any sensor the line stops toggling."""

    def lines(self) -> Iterator[LineClaim]:
        yield LineClaim("gpio", self.gpio)


class Sink(NamedTuple):
    """One `[[sink]]`; `name` tells its offset in the journal from others'."""

    name: str
    driver: str
    options: Table


class Bus(Table, frozen=True, kw_only=True):
    """One `[[bus]]`: what is known of an I2C bus."""

    number: (
        Annotated[int, Meta(ge=0)]
        | Annotated[
            str,
            Meta(pattern="^(usb:|/dev/)", examples=["usb:1-1.2", "/dev/i2c-motor"]),
        ]
    )
    """As the sensors on it write `bus`."""
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
    """One row of delay percentiles per stage for every so many seconds."""


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
    """A whole, consistent configuration; every name in it is resolved."""

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
    """What is allowed and probably not meant."""

    def model_folder(self, model: Model) -> Path:
        return model_folder(model.path, self.path.parent)

    def store_path(self) -> Path:
        """Where the journal is: configured, systemd's, or the default."""
        if self.store.path is not None:
            return self.path.parent / self.store.path
        return Path(os.environ.get("STATE_DIRECTORY", "/var/lib/sensorml")) / (
            "journal.db"
        )

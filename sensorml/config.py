"""The service's configuration file as types.

Validation is whole: `load` reports every problem at once and touches no
hardware. What a driver or sink wants in its own table is asked of its module
through `plugins`, so that adding one changes nothing here.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from sensorml.errors import ConfigError, Problem
from sensorml.resources import model_folder
from sensorml.schema import Decoder, Json, Table, nearest, read_toml

Seconds = Annotated[float, Meta(ge=0)]
Gpio = int | str
"""A line by BCM number, header pin ("BOARD11") or name ("GPIO17")."""
PluginKind = Literal["drivers", "sinks"]
S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Plugins:
    """How to reach the driver and sink modules, which lie above this layer."""

    names: Callable[[PluginKind], Sequence[str]]
    options: Callable[[PluginKind, str], type[msgspec.Struct]]


@dataclass(frozen=True, slots=True)
class Sensor:
    """One `[[sensor]]`."""

    name: str
    driver: str
    options: msgspec.Struct
    stale_after_s: float | None = None
    """So long without a sample and the sensor is stale; None: by its rate."""


_COMMON = {"sensor": {"name", "driver", "stale_after_s"}, "sink": {"name", "driver"}}
"""Keys that every plugged table has; all others are its driver's."""


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


@dataclass(frozen=True, slots=True)
class Sink:
    """One `[[sink]]`; `name` tells its offset in the journal from others'."""

    name: str
    driver: str
    options: msgspec.Struct


class Store(Table, frozen=True, kw_only=True):
    """`[store]`."""

    path: str | None = None
    max_mb: Annotated[float, Meta(ge=1)] = 512.0
    commit_s: Annotated[float, Meta(ge=0.05, le=60)] = 1.0
    timing_s: Annotated[float, Meta(ge=1)] = 10.0
    """One row of delay percentiles per stage for every so many seconds."""


class Web(Table, frozen=True, kw_only=True):
    """`[web]`."""

    listen: str = "127.0.0.1:8787"
    token_file: str | None = None

    def __post_init__(self) -> None:
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(
                f'listen = "{self.listen}" is not an address: write "127.0.0.1:8787"'
            )
        loopback = host.startswith("127.") or host in {"localhost", "[::1]"}
        if not loopback and self.token_file is None:
            raise ValueError(
                f'listen = "{self.listen}" is open to the network: add token_file, '
                "or listen on 127.0.0.1"
            )


@dataclass(frozen=True, slots=True)
class Config:
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


def load(path: Path, plugins: Plugins) -> Config:
    """Read and check a configuration file without touching hardware.

    Raises:
        ConfigError: with every problem of the file.
    """
    decoder = Decoder(str(path))
    tables = read_toml(path)
    known = ["device", "sensor", "model", "alarm", "sink", "store", "web"]
    for name in tables:
        if name not in known:
            decoder.problem(name, "unknown key", nearest(name, known))
    device = tables.get("device", socket.gethostname())
    if not isinstance(device, str) or not device:
        decoder.problem("device", "is not text", 'write device = "name"')
    sensors = _plugged(decoder, tables, "sensor", plugins)
    models = _tables(decoder, tables, "model", Model)
    alarms = _tables(decoder, tables, "alarm", Alarm)
    sinks = _plugged(decoder, tables, "sink", plugins)
    store = decoder.table(tables.get("store", {}), Store, "store")
    web = decoder.table(tables.get("web", {}), Web, "web")
    if not tables.get("sensor"):
        decoder.problem("sensor", "there is none", "add a [[sensor]] table")
    stale = _stale_after(decoder, tables)
    _references(decoder, tables, models, alarms)
    _lines(decoder, alarms, sensors)
    decoder.raise_if_any()
    return Config(
        path=path,
        device=str(device),
        sensors=tuple(
            Sensor(*each, stale_after_s=stale.get(each[0])) for each in sensors.values()
        ),
        models=tuple(models.values()),
        alarms=tuple(alarms.values()),
        sinks=tuple(Sink(*each) for each in sinks.values()),
        store=store or Store(),
        web=web or Web(),
    )


def _list(decoder: Decoder, tables: Json, key: str) -> Iterable[tuple[str, Json]]:
    """Yield (place in the file, table) for every `[[key]]`."""
    found = tables.get(key, [])
    if not isinstance(found, list):
        decoder.problem(key, "is not a list of tables", f"write it as [[{key}]]")
        return
    for i, table in enumerate(found):
        if isinstance(table, dict):
            yield f"{key}[{i}]", table
        else:
            decoder.problem(f"{key}[{i}]", "is not a table", f"write it as [[{key}]]")


def _unique(decoder: Decoder, place: str, name: str, taken: Iterable[str]) -> None:
    if name in taken:
        decoder.problem(f"{place}.name", f"{name!r} is used twice", "rename one")


def _tables(decoder: Decoder, tables: Json, key: str, kind: type[S]) -> dict[str, S]:
    """Decode every `[[key]]` into `kind`; the result maps places to tables."""
    found: dict[str, S] = {}
    names: list[str] = []
    for place, table in _list(decoder, tables, key):
        _unique(decoder, place, str(table.get("name")), names)
        names.append(str(table.get("name")))
        if (decoded := decoder.table(table, kind, place)) is not None:
            found[place] = decoded
    return found


def _plugged(
    decoder: Decoder, tables: Json, key: Literal["sensor", "sink"], plugins: Plugins
) -> dict[str, tuple[str, str, msgspec.Struct]]:
    """Decode every `[[key]]` with the Options of the driver it names."""
    kind: PluginKind = "drivers" if key == "sensor" else "sinks"
    found: dict[str, tuple[str, str, msgspec.Struct]] = {}
    names: list[str] = []
    for place, table in _list(decoder, tables, key):
        driver = table.get("driver")
        name = table.get("name", None if key == "sensor" else driver)
        if not isinstance(name, str) or not name:
            decoder.problem(f"{place}.name", "missing", "give it a name in quotes")
        else:
            _unique(decoder, place, name, names)
            names.append(name)
        if driver not in plugins.names(kind):
            what = "missing" if driver is None else f"there is no {key} {driver!r}"
            cure = nearest(str(driver), plugins.names(kind))
            decoder.problem(f"{place}.driver", what, cure)
            continue
        rest = {k: v for k, v in table.items() if k not in _COMMON[key]}
        options = decoder.table(rest, plugins.options(kind, str(driver)), place)
        if options is not None:
            options = _beside(options, Path(decoder.file).parent)
            found[place] = (str(name), str(driver), options)
    return found


def _stale_after(decoder: Decoder, tables: Json) -> dict[str, float]:
    """Return the sensors' own `stale_after_s`, by name."""
    found: dict[str, float] = {}
    for place, table in _list(Decoder(""), tables, "sensor"):
        value = table.get("stale_after_s")
        if isinstance(value, int | float) and value > 0:
            found[str(table.get("name"))] = float(value)
        elif value is not None:
            decoder.problem(
                f"{place}.stale_after_s", f"is {value!r}", "give seconds above 0"
            )
    return found


def _beside(options: msgspec.Struct, folder: Path) -> msgspec.Struct:
    """Read `path` and `…_file` of a plug-in relative to the configuration file."""
    paths = {
        field: str(folder / value)
        for field in options.__struct_fields__
        if field == "path" or field.endswith("_file")
        if isinstance(value := getattr(options, field), str)
    }
    return msgspec.structs.replace(options, **paths)


def _references(
    decoder: Decoder,
    tables: Json,
    models: dict[str, Model],
    alarms: dict[str, Alarm],
) -> None:
    """Check that every name that is referred to is there."""
    sensors = [str(t.get("name")) for _, t in _list(Decoder(""), tables, "sensor")]
    named = [str(t.get("name")) for _, t in _list(Decoder(""), tables, "model")]
    wanted = [
        *((f"{place}.sensor", m.sensor, sensors) for place, m in models.items()),
        *((f"{place}.sensor", a.sensor, sensors) for place, a in alarms.items()),
        *((f"{place}.model", a.model, named) for place, a in alarms.items()),
    ]
    for key, name, known in wanted:
        if name is not None and name not in known:
            kind = key.rpartition(".")[2]
            decoder.problem(key, f"there is no {kind} {name!r}", nearest(name, known))


def _lines(
    decoder: Decoder,
    alarms: dict[str, Alarm],
    sensors: dict[str, tuple[str, str, msgspec.Struct]],
) -> None:
    """Check that no GPIO line is given two jobs, and no address two chips."""
    used: list[tuple[str, str]] = []
    for place, alarm in alarms.items():
        for key in ("gpio", "acknowledge_gpio"):
            line = getattr(alarm, key)
            if line is not None:
                used.append((f"GPIO line {_line(line)}", f"{place}.{key}"))
    for place, (_, _, options) in sensors.items():
        line = getattr(options, "gpio", None)
        if line is not None:
            used.append((f"GPIO line {_line(line)}", f"{place}.gpio"))
        address = getattr(options, "address", None)
        if address is not None:
            bus = getattr(options, "bus", None)
            what = f"address {address:#04x} on bus {bus}"
            used.append((what, f"{place}.address"))
    counts = Counter(what for what, _ in used)
    for what, key in used:
        if counts[what] > 1:
            others = ", ".join(k for w, k in used if w == what and k != key)
            decoder.problem(key, f"{what} is used twice", f"also by {others}")


def _line(line: Gpio) -> str:
    return str(line).upper().removeprefix("GPIO").removeprefix("BCM")


def problems(path: Path, plugins: Plugins) -> tuple[Problem, ...]:
    """Return everything `load` finds wrong with the file."""
    try:
        load(path, plugins)
    except ConfigError as err:
        return err.problems
    return ()

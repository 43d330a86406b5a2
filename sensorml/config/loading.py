"""The reader of a configuration file: a whole `Config`, or every problem at once.

No hardware is accessed and no model is loaded. Model cards and the headers of
recordings are read, to check that models and sensors match.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from sensorml import plugins
from sensorml.config import bus_load, bus_rounds, compatibility, conflicts
from sensorml.config.tables import (
    Alarm,
    Bus,
    Config,
    Heartbeat,
    Meter,
    Model,
    Sensor,
    Sink,
    Store,
    Web,
)
from sensorml.errors import (
    MissingExtraError,
    ModelError,
    PluginError,
    Problem,
    RecordingError,
)
from sensorml.interfaces import SensorOptions
from sensorml.pipeline import model_files
from sensorml.pipeline.model_card import Card
from sensorml.resources import folders, model_folder
from sensorml.schema import Decoder, Json, Table, nearest, read_toml
from sensorml.types import Channel

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T", bound=Table)

_KEYS: Final = (
    "device",
    "sensor",
    "model",
    "alarm",
    "meter",
    "heartbeat",
    "bus",
    "sink",
    "store",
    "web",
)
_COMMON: Final = {
    "sensor": {"name", "driver", "stale_after_s"},
    "sink": {"name", "driver"},
}
"""Keys of a `[[sensor]]` or `[[sink]]` that are not its driver's."""


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: with every problem of the file and of what it names.
    """
    return _Loading(path).config()


class _Loading:
    """One file on its way to a `Config`; tables are kept by place, "model[0]"."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tables = read_toml(path)
        self.decoder = Decoder(str(path))
        self._doubts: list[Problem] = []

    def config(self) -> Config:
        tables, decoder = self.tables, self.decoder
        for key in tables:
            if key not in _KEYS:
                decoder.problem(key, "unknown key", nearest(key, _KEYS))
        if not tables.get("sensor"):
            decoder.problem("sensor", "there is none", "add a [[sensor]] table")
        device = tables.get("device", socket.gethostname())
        if not isinstance(device, str) or not device or not device.isprintable():
            decoder.problem("device", f"is {device!r}", 'write device = "name"')
        for key in ("sensor", "model", "alarm", "meter", "sink"):
            self._names(key)
        sensors = {
            place: Sensor(
                name, driver, options, self._stale_after_s(place, table, options)
            )
            for place, name, driver, options, table in self._plugged(
                "sensor", lambda name: plugins.driver(name).Options
            )
        }
        sinks = [
            Sink(name, driver, options)
            for _, name, driver, options, _ in self._plugged(
                "sink", lambda name: plugins.sink(name).Options
            )
        ]
        models = self._decoded("model", Model)
        alarms = self._decoded("alarm", Alarm)
        meters = self._decoded("meter", Meter)
        heartbeat = None
        if "heartbeat" in tables:
            heartbeat = decoder.table(tables["heartbeat"], Heartbeat, "heartbeat")
        store = decoder.table(tables.get("store", {}), Store, "store")
        web = decoder.table(tables.get("web", {}), Web, "web")
        self._references()
        lines = conflicts.lines_of(sensors, models, alarms, meters, heartbeat)
        warnings = conflicts.report(decoder, lines, sensors)
        cards = self._cards(sensors, models)
        warnings += [*self._doubts, *self._bus_load(sensors)]
        if heartbeat and (
            still := compatibility.why_still(heartbeat, sensors.values())
        ):
            warnings.append(Problem(decoder.file, "heartbeat.timeout_s", *still))
        decoder.raise_if_any()
        return Config(
            path=self.path,
            device=str(device),
            sensors=tuple(sensors.values()),
            models=tuple(models.values()),
            alarms=tuple(alarms.values()),
            sinks=tuple(sinks),
            store=store or Store(),
            web=web or Web(),
            meters=tuple(meters.values()),
            heartbeat=heartbeat,
            cards=tuple(cards),
            warnings=tuple(warnings),
        )

    def _bus_load(self, sensors: dict[str, Sensor]) -> Sequence[Problem]:
        """Report buses that cannot carry their sensors; return the warnings."""
        file = str(self.path)
        errors, warnings = bus_load.report(sensors, self._buses(), file)
        slow, slow_warnings = bus_rounds.report(sensors, file)
        self.decoder.problems += [*errors, *slow]
        return [*warnings, *slow_warnings]

    def _places(self, key: str) -> Iterator[tuple[str, Json]]:
        """Yield the place and the table of every `[[key]]`."""
        tables = self.tables.get(key, [])
        for i, table in enumerate(tables if isinstance(tables, list) else []):
            if isinstance(table, dict):
                yield f"{key}[{i}]", table

    def _names(self, key: str) -> list[str]:
        """Return the names of the `[[key]]` tables; report the wrong ones."""
        tables = self.tables.get(key, [])
        if not isinstance(tables, list) or not all(
            isinstance(table, dict) for table in tables
        ):
            self.decoder.problem(key, "is not a list of tables", f"write it [[{key}]]")
        names: list[str] = []
        for place, table in self._places(key):
            name = table.get("name", table.get("driver") if key == "sink" else None)
            if name is None:
                self.decoder.problem(f"{place}.name", "missing", "give it a name")
            elif not isinstance(name, str) or not name or not name.isprintable():
                cure = "give letters, digits, spaces and signs, in quotes"
                self.decoder.problem(f"{place}.name", f"is {name!r}", cure)
            elif name in names:
                what = f"{name!r} is used twice"
                self.decoder.problem(f"{place}.name", what, "rename one")
            else:
                names.append(name)
        return names

    def _buses(self) -> dict[str, Bus]:
        if not isinstance(self.tables.get("bus", []), list):
            self.decoder.problem("bus", "is not a list of tables", "write it [[bus]]")
        return {
            place: bus
            for place, table in self._places("bus")
            if (bus := self.decoder.table(table, Bus, place)) is not None
        }

    def _decoded(self, key: str, kind: type[S]) -> dict[str, S]:
        """Decode the `[[key]]` tables; leave out those with problems."""
        return {
            place: decoded
            for place, table in self._places(key)
            # `_names` has reported names that are wrong.
            for name in ["".join(filter(str.isprintable, str(table.get("name"))))]
            for named in [{**table, "name": name}]
            if (decoded := self.decoder.table(named, kind, place)) is not None
        }

    def _plugged(
        self, key: Literal["sensor", "sink"], options_of: Callable[[object], type[T]]
    ) -> Iterator[tuple[str, str, str, T, Json]]:
        """Decode the `[[key]]` tables by the Options of their drivers."""
        for place, table in self._places(key):
            try:
                kind = options_of(table.get("driver"))
            except PluginError as err:
                self.decoder.problem(f"{place}.driver", *err.reason)
                continue
            driver = str(table["driver"])
            own = {k: v for k, v in table.items() if k not in _COMMON[key]}
            options = self.decoder.table(own, kind, place)
            if options is not None:
                options = options.relative_to(self.path.parent)
                yield place, str(table.get("name", driver)), driver, options, table

    def _stale_after_s(
        self, place: str, table: Json, options: SensorOptions
    ) -> float | None:
        value = table.get("stale_after_s")
        if value is None:
            return None
        what, cure = f"is {value!r}", "give seconds above 0"
        if isinstance(value, int | float) and value is not True and 0 < value <= 1e8:
            rate_hz = options.rate_hz
            if rate_hz is None or value > 1 / rate_hz:
                return float(value)
            what += f", and rate_hz = {rate_hz:g} is a sample every {1 / rate_hz:g} s"
            cure = "give more than that"
        self.decoder.problem(f"{place}.stale_after_s", what, cure)
        return None

    def _references(self) -> None:
        """Check that every name that is referred to is there."""
        for key, kinds in (
            ("model", ["sensor"]),
            ("alarm", ["sensor", "model"]),
            ("meter", ["model"]),
        ):
            for place, table in self._places(key):
                for kind in kinds:
                    name = table.get(kind)
                    known = [str(t.get("name")) for _, t in self._places(kind)]
                    if isinstance(name, str) and name not in known:
                        what = f"there is no {kind} {name!r}"
                        cure = nearest(name, known)
                        self.decoder.problem(f"{place}.{kind}", what, cure)

    def _cards(
        self, sensors: dict[str, Sensor], models: dict[str, Model]
    ) -> list[Card]:
        """Load every model's card; check it against its sensor, and the delegate."""
        cards = []
        by_name = {
            sensor.name: (sensor, channels)
            for place, sensor in sensors.items()
            if (channels := self._channels(place, sensor)) is not None
        }
        for place, model in models.items():
            if model.delegate not in self._delegates:
                what = f"there is no delegate {model.delegate!r}"
                cure = nearest(model.delegate, self._delegates)
                self.decoder.problem(f"{place}.delegate", what, cure)
            folder = model_folder(model.path, self.path.parent)
            try:
                card = model_files.load(folder)
            except ModelError as err:
                self.decoder.problems += err.problems
                continue
            cards.append(card)
            if model.sensor in by_name:
                found = (card.input, *by_name[model.sensor])
                if (reason := compatibility.why_not(*found)) is not None:
                    self.decoder.problem(f"{place}.sensor", *reason)
                elif (doubt := compatibility.why_doubtful(*found)) is not None:
                    where = f"{place}.sensor"
                    self._doubts.append(Problem(self.decoder.file, where, *doubt))
        return cards

    def _channels(self, place: str, sensor: Sensor) -> Sequence[Channel] | None:
        try:
            return plugins.driver(sensor.driver).channels(sensor.options)
        except (RecordingError, MissingExtraError) as err:
            self.decoder.problem(f"{place}.path", str(err))
            return None

    @cached_property
    def _delegates(self) -> Sequence[str]:
        files = (f for folder in folders("delegates") for f in folder.glob("*.toml"))
        return ["auto", *sorted({file.stem for file in files})]

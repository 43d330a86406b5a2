"""Drivers, sinks and features by name: files of ours, and entry points of packages.

A file of ours wins over an entry point of the same name, so that a configuration does
not depend on the packages that are installed. Entry points are read only for a name
that is no file of ours, because this reads the metadata of all installed packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, cast

from sensorml.errors import PluginError
from sensorml.interfaces import DriverModule, SensorOptions, SinkModule
from sensorml.schema import nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Group: TypeAlias = Literal["drivers", "sinks", "features"]


class _Rules(NamedTuple):
    folder: str
    """The package whose files are ours."""
    noun: str
    offers: Sequence[str]
    """The names that each module must have."""


_RULES: Final[dict[Group, _Rules]] = {
    "drivers": _Rules(
        "sensorml.drivers", "sensor driver", ("Options", "channels", "Driver")
    ),
    "sinks": _Rules("sensorml.sinks", "sink driver", ("Options", "Sink")),
    "features": _Rules("sensorml.pipeline.features", "feature kind", ("Features",)),
}

CORRECT: Final = "correct that package: see docs/own-driver.md"

_IMPORT_ERRORS: Final = (
    ImportError,
    SyntaxError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""The exceptions of an import of another package's module."""


def driver(name: object) -> DriverModule:
    """Import a driver.

    Raises:
        PluginError: there is none of that name, it cannot be imported, or its Options
            do not inherit from SensorOptions.
    """
    module = load("drivers", name)
    if not is_subclass(module.Options, SensorOptions):
        what = f"the Options of the driver {name!r} do not inherit from SensorOptions"
        raise PluginError(what, CORRECT)
    return cast("DriverModule", module)


def sink(name: object) -> SinkModule:
    """Import a sink.

    Raises:
        PluginError: there is none of that name, or it cannot be imported.
    """
    return cast("SinkModule", load("sinks", name))


def is_subclass(kind: object, base: type) -> bool:
    """Return whether what a module offers is a class of that base."""
    return isinstance(kind, type) and issubclass(kind, base)


def names(group: Group) -> Sequence[str]:
    """List the names that can be used, ours and those of packages; import none."""
    return sorted({*_own(group), *(entry.name for entry in _entry_points(group))})


def load(group: Group, name: object) -> ModuleType:
    """Import the module that a name stands for.

    Raises:
        PluginError: there is none of that name, it cannot be imported, or two
            packages offer it.
    """
    rules = _RULES[group]
    if name in _own(group):
        return import_module(f"{rules.folder}.{name}")
    entries = [entry for entry in _entry_points(group) if entry.name == name]
    if not entries:
        what = f"there is no {rules.noun} {name!r}" if name else "missing"
        raise PluginError(what, nearest(str(name or ""), names(group)))
    if len(entries) > 1:
        packages = " and ".join(sorted(map(_package, entries)))
        what = f"{name!r} is offered by the packages {packages}"
        raise PluginError(what, "uninstall all but one")
    return _imported(entries[0], rules)


def files(group: Group) -> list[Path]:
    """List the files of ours."""
    [folder] = import_module(_RULES[group].folder).__path__
    return sorted(f for f in Path(folder).glob("*.py") if f.stem != "__init__")


def _own(group: Group) -> list[str]:
    return [file.stem for file in files(group)]


def _entry_points(group: Group) -> Sequence[EntryPoint]:
    from importlib.metadata import entry_points

    return tuple(entry_points(group=f"sensorml.{group}"))


def _imported(entry: EntryPoint, rules: _Rules) -> ModuleType:
    where = f"{entry.name!r} of the package {_package(entry)}"
    try:
        module: ModuleType = entry.load()
    except _IMPORT_ERRORS as err:
        what = f"{where} cannot be imported ({type(err).__name__}: {err})"
        raise PluginError(what, "repair or uninstall that package") from err
    absent = [name for name in rules.offers if not hasattr(module, name)]
    if absent:
        what = f"{where} is no {rules.noun}: {entry.value} lacks {', '.join(absent)}"
        raise PluginError(what, CORRECT)
    return module


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "without a name"

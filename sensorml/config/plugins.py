"""Find drivers and sinks by their file names; import only those that are used."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from typing import Literal, cast

import sensorml.drivers
import sensorml.sinks
from sensorml.interfaces import DriverModule, SinkModule

_PACKAGES = {"drivers": sensorml.drivers, "sinks": sensorml.sinks}


def names(kind: Literal["drivers", "sinks"]) -> Sequence[str]:
    """List what can be written after `driver =`, without importing any of it."""
    return sorted(
        module.name for module in pkgutil.iter_modules(_PACKAGES[kind].__path__)
    )


def driver(name: str) -> DriverModule:
    return cast("DriverModule", import_module(f"sensorml.drivers.{name}"))


def sink(name: str) -> SinkModule:
    return cast("SinkModule", import_module(f"sensorml.sinks.{name}"))

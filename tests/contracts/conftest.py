"""Fixtures of the contracts: the bus, and the sensors and wires to be tested."""

from __future__ import annotations

from pathlib import Path

import pytest
import wired
from simulated_bus import SimulatedBus

import sensorml.sim.chips
from sensorml import plugins
from sensorml.errors import ConfigError

_CHIPS = sorted(
    file.stem for file in Path(sensorml.sim.chips.__path__[0]).glob("[!_]*.py")
)
_WIRING = pytest.StashKey[wired.Wiring]()


@pytest.fixture
def bus() -> SimulatedBus:
    """A simulated bus; the lab replaces it by a bus of the kernel."""
    return SimulatedBus()


def pytest_configure(config: pytest.Config) -> None:
    """Read the wiring of --hardware; without it take every chip, simulated."""
    file = config.getoption("hardware")
    try:
        config.stash[_WIRING] = wired.read(Path(file)) if file else _simulated()
    except ConfigError as err:
        raise pytest.UsageError(str(err)) from err


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests with a `sensor` or a `loop` on all of the wiring."""
    wiring = metafunc.config.stash[_WIRING]
    if "sensor" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("only")
        chosen = [s for s in wiring.sensors if only is None or only.kwargs["when"](s)]
        metafunc.parametrize("sensor", chosen, ids=lambda sensor: sensor.name)
    if "loop" in metafunc.fixturenames:
        metafunc.parametrize("loop", wiring.loops)


def _simulated() -> wired.Wiring:
    chips = [
        wired.Sensor(name, name, plugins.driver(name).Options(bus="sim"))
        for name in _CHIPS
    ]
    return wired.Wiring(chips, [wired.Loop(output=17, input=27)])

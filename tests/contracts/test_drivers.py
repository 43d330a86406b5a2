"""What every file in sensorml/drivers/ keeps.

A new driver is tested by being there; one with a simulated chip, in test_chips.py
too.
"""

import importlib
import inspect
from pathlib import Path

import pytest

import sensorml.drivers
import sensorml.sim.chips
from sensorml.schema import Table


def files(package):
    folder = Path(package.__path__[0])
    return sorted(f.stem for f in folder.glob("*.py") if not f.stem.startswith("_"))


DRIVERS = files(sensorml.drivers)


@pytest.fixture(params=DRIVERS)
def driver(request):
    return importlib.import_module(f"sensorml.drivers.{request.param}")


def test_its_options_are_a_strict_table_that_names_its_thread(driver):
    assert issubclass(driver.Options, Table)
    assert driver.Options.__struct_config__.frozen
    assert driver.Options.__struct_config__.forbid_unknown_fields
    assert isinstance(driver.Options.thread, property)


def test_it_offers_what_the_interface_lists(driver):
    for method in ("start", "read", "stop"):
        assert callable(getattr(driver.Driver, method))
    assert len(inspect.signature(driver.channels).parameters) == 1


def test_it_is_made_from_its_options_alone(driver):
    options, *rest = inspect.signature(driver.Driver).parameters.values()
    assert options.default is inspect.Parameter.empty
    assert all(each.default is not inspect.Parameter.empty for each in rest)


def test_its_first_line_says_what_it_is(driver):
    first = driver.__doc__.splitlines()[0]
    assert 10 < len(first) <= 88
    assert first.endswith((".", ":"))


def test_every_simulated_chip_has_a_driver_of_its_name():
    assert set(files(sensorml.sim.chips)) <= set(DRIVERS)

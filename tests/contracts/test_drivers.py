"""What every file in sensorml/drivers/ keeps.

A new driver is tested by being there; one with a simulated chip, in test_chips.py
too.
"""

import importlib
import inspect
from pathlib import Path
from typing import get_args

import msgspec
import pytest

import sensorml.drivers
import sensorml.sim.chips
from sensorml.schema import Decoder, Table


def files(package):
    folder = Path(package.__path__[0])
    return sorted(f.stem for f in folder.glob("*.py") if not f.stem.startswith("_"))


DRIVERS = files(sensorml.drivers)


def fields(name):
    options = importlib.import_module(f"sensorml.drivers.{name}").Options
    return {field.name: field.type for field in msgspec.structs.fields(options)}


DRAINED = [name for name in DRIVERS if "fifo_rows" in fields(name)]
"""Those that read a FIFO."""


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


@pytest.mark.parametrize("name", DRAINED)
def test_fifo_rows_beyond_its_fifo_are_refused_with_what_it_has(name):
    kind = fields(name)["fifo_rows"]
    most = get_args(kind)[0].__metadata__[0].le
    for good in (1, most):
        assert msgspec.convert(good, kind) == good
    for wrong in (0, most + 1, 2.5, True, "16"):
        decoder = Decoder("box.toml")
        options = importlib.import_module(f"sensorml.drivers.{name}").Options
        decoder.table({"fifo_rows": wrong}, options, "sensor[0]")
        [problem] = decoder.problems
        assert problem.key == "sensor[0].fifo_rows"
        assert "a whole number" in problem.cure
        assert str(most) in problem.cure


def test_every_simulated_chip_has_a_driver_of_its_name():
    assert set(files(sensorml.sim.chips)) <= set(DRIVERS)

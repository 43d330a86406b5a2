"""The contract of every file in sensorml/drivers/.

The tests find new drivers by themselves; test_chips.py and test_polled_chips.py test
those with a simulated chip.
"""

import importlib
import inspect
from itertools import product
from pathlib import Path
from typing import get_args

import msgspec
import pytest

import sensorml.drivers
import sensorml.sim.chips
from sensorml.acquisition.identities import known_chips
from sensorml.acquisition.self_test import SelfTestModule
from sensorml.interfaces import SensorOptions
from sensorml.schema import Decoder


def files(package):
    folder = Path(package.__path__[0])
    return sorted(f.stem for f in folder.glob("*.py") if not f.stem.startswith("_"))


DRIVERS = files(sensorml.drivers)


def module(name):
    return importlib.import_module(f"sensorml.drivers.{name}")


def fields(name):
    options = module(name).Options
    return {field.name: field.type for field in msgspec.structs.fields(options)}


FIFO_DRIVERS = [name for name in DRIVERS if "fifo_rows" in fields(name)]
"""The drivers that read a FIFO."""


@pytest.fixture(params=DRIVERS)
def driver(request):
    return module(request.param)


def test_options_are_a_strict_table_with_a_thread(driver):
    assert issubclass(driver.Options, SensorOptions)
    assert driver.Options.__struct_config__.frozen
    assert driver.Options.__struct_config__.forbid_unknown_fields
    assert driver.Options.thread is not SensorOptions.thread


def test_a_driver_has_the_functions_of_the_interface(driver):
    for method in ("start", "read", "stop"):
        assert callable(getattr(driver.Driver, method))
    assert len(inspect.signature(driver.channels).parameters) == 1


def test_a_driver_needs_only_its_options(driver):
    options, *rest = inspect.signature(driver.Driver).parameters.values()
    assert options.default is inspect.Parameter.empty
    assert all(p.default is not inspect.Parameter.empty for p in rest)


def test_the_docstring_has_a_title(driver):
    first = driver.__doc__.splitlines()[0]
    assert 10 < len(first) <= 88
    assert first.endswith((".", ":"))


@pytest.mark.parametrize("name", FIFO_DRIVERS)
def test_the_error_for_too_many_fifo_rows_names_the_most(name):
    kind = fields(name)["fifo_rows"]
    most = get_args(kind)[0].__metadata__[0].le
    for good in (1, most):
        assert msgspec.convert(good, kind) == good
    for wrong in (0, most + 1, 2.5, True, "16"):
        decoder = Decoder("box.toml")
        options = module(name).Options
        decoder.table({"fifo_rows": wrong}, options, "sensor[0]")
        [problem] = decoder.problems
        assert problem.key == "sensor[0].fifo_rows"
        assert "a whole number" in problem.cure
        assert str(most) in problem.cure


def test_every_simulated_chip_has_a_driver_of_its_name():
    assert set(files(sensorml.sim.chips)) <= set(DRIVERS)


IDENTIFIED = [name for name in DRIVERS if hasattr(module(name), "IDENTITY")]


def test_the_scan_reads_from_the_source_the_identity_that_the_module_has():
    assert {chip.driver: chip.identity for chip in known_chips()} == {
        name: module(name).IDENTITY for name in IDENTIFIED
    }


def test_no_two_drivers_claim_the_same_identity_at_the_same_address():
    claims = [
        (address, identity.register, value)
        for _, identity in known_chips()
        for address, value in product(identity.addresses, identity.chips)
    ]
    assert len(claims) == len(set(claims))


@pytest.mark.parametrize("name", IDENTIFIED)
def test_a_scan_looks_where_its_options_let_it_be(name):
    identity = module(name).IDENTITY
    if identity.addresses:
        assert module(name).Options().address in identity.addresses


def test_every_accelerometer_that_a_scan_recognises_has_a_self_test():
    recognised = [chip.driver for chip in known_chips() if chip.identity.addresses]
    without = {
        name
        for name in recognised
        if name in FIFO_DRIVERS and not isinstance(module(name), SelfTestModule)
    }
    assert without <= {"adxl372", "bmi160", "icm42688"}

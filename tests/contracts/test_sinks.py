"""What every file in sensorml/sinks/ must offer; a new file is found by itself."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys
import textwrap
import tomllib
from importlib import import_module

import msgspec
import pytest

import sensorml.sinks
from sensorml.schema import Decoder, Table

NAMES = sorted(m.name for m in pkgutil.iter_modules(sensorml.sinks.__path__))


@pytest.fixture(params=NAMES)
def module(request):
    return import_module(f"sensorml.sinks.{request.param}")


def example(module):
    """Return the `[[sink]]` table that the module's docstring shows."""
    _, mark, text = inspect.getdoc(module).partition("    [[sink]]\n")
    assert mark, "the docstring shows no [[sink]] table"
    [table] = tomllib.loads("[[sink]]\n" + textwrap.dedent(text))["sink"]
    return table


def options(module):
    table = example(module)
    table.pop("driver")
    table.pop("name", None)
    decoder = Decoder(module.__name__)
    decoded = decoder.table(table, module.Options)
    decoder.raise_if_any()
    return decoded


def test_there_are_sinks():
    assert "influxdb" in NAMES


def test_its_documented_example_is_a_valid_configuration(module):
    assert example(module)["driver"] == module.__name__.rpartition(".")[2]
    assert isinstance(options(module), module.Options)


def test_an_unknown_key_of_its_table_is_an_error(module):
    assert issubclass(module.Options, Table)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert(
            msgspec.to_builtins(options(module)) | {"ulr": 1}, module.Options
        )


def test_it_holds_no_secret_in_its_configuration(module):
    named = [field.name for field in msgspec.structs.fields(module.Options)]
    assert {"token", "password", "secret"}.isdisjoint(named)


def test_it_is_made_and_closed_without_touching_anything(module):
    sink = module.Sink(options(module), {"device": "pi"})
    assert list(inspect.signature(sink.send).parameters) == ["kind", "rows"]
    sink.close()
    sink.close()


def test_importing_it_imports_no_library_that_takes_long(module):
    code = (
        "import sys, msgspec, numpy; before = set(sys.modules); "
        f"import {module.__name__}; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(new - sys.stdlib_module_names - {'sensorml', 'numpy'}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == ""

"""The contract of every file in sensorml/sinks/; the tests find new files."""

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
    """Return the `[[sink]]` table in the module's docstring."""
    _, mark, text = inspect.getdoc(module).partition("    [[sink]]\n")
    assert mark, "the docstring has no [[sink]] table"
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


def test_influxdb_is_a_sink():
    assert "influxdb" in NAMES


def test_the_example_of_the_docstring_is_valid(module):
    assert example(module)["driver"] == module.__name__.rpartition(".")[2]
    assert isinstance(options(module), module.Options)


def test_an_unknown_key_is_an_error(module):
    assert issubclass(module.Options, Table)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert(
            msgspec.to_builtins(options(module)) | {"ulr": 1}, module.Options
        )


def test_the_configuration_holds_no_secret(module):
    named = [field.name for field in msgspec.structs.fields(module.Options)]
    assert {"token", "password", "secret"}.isdisjoint(named)


def test_a_sink_is_made_and_closed_without_a_connection(module):
    sink = module.Sink(options(module), {"device": "pi"})
    assert sink.batch_rows >= 1
    assert list(inspect.signature(sink.send).parameters) == ["kind", "rows"]
    sink.close()
    sink.close()


def test_a_sink_imports_no_slow_library(module):
    code = (
        "import sys, msgspec, numpy; before = set(sys.modules); "
        f"import {module.__name__}; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(new - sys.stdlib_module_names - {'sensorml', 'numpy'}))"
    )
    completed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == ""

"""The contract of the numbers in a driver's options: each has safe bounds.

The tests find new drivers by themselves.
"""

import math
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

import sensorml.drivers
from sensorml import plugins


@pytest.fixture(
    params=sorted(f.stem for f in Path(sensorml.drivers.__path__[0]).glob("[!_]*.py"))
)
def options(request):
    return plugins.driver(request.param).Options


def numbers(kind, path="Options"):
    """Yield the path and the type of every float within a type."""
    match kind:
        case inspect.FloatType():
            yield path, kind
        case inspect.StructType():
            for field in kind.fields:
                yield from numbers(field.type, f"{path}.{field.encode_name}")
        case inspect.UnionType():
            for alternative in kind.types:
                yield from numbers(alternative, path)
        case inspect.TupleType():
            for item in kind.item_types:
                yield from numbers(item, path)
        case inspect.VarTupleType():
            yield from numbers(kind.item_type, path)


def test_every_number_and_its_inverse_have_sensible_bounds(options):
    for path, number in numbers(inspect.type_info(options)):
        low, high = number.ge, number.le if number.lt is None else number.lt
        assert low is not None, f"{path} has no least value"
        assert high is not None, f"{path} has no largest value"
        assert low <= 0 or low >= 1e-6, f"{path} may be {low}"
        assert max(abs(low), abs(high)) <= 1e8, f"{path} may be {low} to {high}"


@pytest.mark.parametrize("wrong", [math.inf, math.nan, 0.0, 1e-300, -1.0, 1e300])
def test_an_impossible_rate_is_refused(options, wrong):
    for field in msgspec.structs.fields(options):
        if field.name == "rate_hz":
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert(wrong, field.type)

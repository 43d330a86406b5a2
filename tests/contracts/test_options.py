"""What the numbers that a driver's options take keep: all can be computed with.

A new driver is tested by being there.
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


def numbers(kind, place="Options"):
    """Yield the place and the type of every float that is in a type."""
    match kind:
        case inspect.FloatType():
            yield place, kind
        case inspect.StructType():
            for field in kind.fields:
                yield from numbers(field.type, f"{place}.{field.encode_name}")
        case inspect.UnionType():
            for each in kind.types:
                yield from numbers(each, place)
        case inspect.TupleType():
            for each in kind.item_types:
                yield from numbers(each, place)
        case inspect.VarTupleType():
            yield from numbers(kind.item_type, place)


def test_every_number_has_bounds_and_neither_it_nor_its_inverse_is_absurd(options):
    for place, number in numbers(inspect.type_info(options)):
        low, high = number.ge, number.le if number.lt is None else number.lt
        assert low is not None, f"{place} has no least value"
        assert high is not None, f"{place} has no largest value"
        assert low <= 0 or low >= 1e-6, f"{place} may be {low}"
        assert max(abs(low), abs(high)) <= 1e8, f"{place} may be {low} to {high}"


@pytest.mark.parametrize("wrong", [math.inf, math.nan, 0.0, 1e-300, -1.0, 1e300])
def test_a_rate_that_is_none_is_refused(options, wrong):
    for field in msgspec.structs.fields(options):
        if field.name == "rate_hz":
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert(wrong, field.type)

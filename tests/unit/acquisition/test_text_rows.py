"""Rows that come as text: what is one, what is not, and that nothing else happens."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.acquisition.text_rows import MAX_BYTES, TextOptions, channels, parse
from sensorml.types import Channel

THREE = TextOptions(channels=("x", "y", "z"), unit="g")
NAMED = TextOptions(fields=("a", "b.c"))
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


def values(text, options=THREE):
    return [row.values for row in parse(text, options)]


@given(
    st.lists(st.tuples(FINITE, FINITE, FINITE), min_size=1, max_size=5),
    st.sampled_from([" ", "\t", ",", ", ", ";", " ; ", "  "]),
)
def test_numbers_come_back_whatever_is_between_them(rows, between):
    for row in rows:
        assert values(between.join(map(repr, row)).encode()) == [row]
    assert values(json.dumps(rows).encode()) == rows
    assert values(json.dumps(rows[0]).encode()) == rows[:1]


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=5))
def test_members_of_objects_come_back_from_one_and_from_many(rows):
    objects = [{"a": a, "b": {"c": c, "d": "x"}, "e": None} for a, c in rows]
    assert values(json.dumps(objects).encode(), NAMED) == rows
    assert values(json.dumps(objects[0]).encode(), NAMED) == rows[:1]


@given(
    st.binary(max_size=80) | st.text(alphabet='[]{}":,.-0123456789eE a').map(str.encode)
)
def test_anything_is_rows_of_finite_float32_or_a_value_error(text):
    for options in (THREE, NAMED, TextOptions()):
        try:
            rows = parse(text, options, "t" if options.fields else "")
        except ValueError:
            continue
        for row in rows:
            assert len(row.values) == len(options.names)
            assert np.isfinite(np.array(row.values, np.float32)).all()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "1 values, and not the 3"),
        (b"1,2", "2 values, and not the 3 of x, y, z"),
        (b"1,,2", "'' is no number"),
        (b"1,2,nan", "beyond what a sample holds"),
        (b"1,2,1e39", "beyond"),
        (b"[1, 2, 1" + 400 * b"0" + b"]", "beyond"),
        (b"[1, 2, null]", "None is no number"),
        (b"[1, 2, [3]]", r"\[3\] is no number"),
        (b"[1, 2", "begins like JSON but cannot be decoded"),
        (b"[" * 60_000, "begins like JSON"),
        (b'{"x": 1}', "name its members in fields"),
        (b"1 " * MAX_BYTES, "131072 bytes, more than the 65536"),
    ],
)
def test_text_that_is_no_row_is_refused_with_the_reason(text, why):
    with pytest.raises(ValueError, match=why):
        parse(text, THREE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"1 2", "no object, so it has no 'a'"),
        (b'{"a": 1, "b": 2}', "no object, so it has no 'c'"),
        (b'{"a": 1, "b": {}}', "there is no 'c' in it"),
        (b'{"a": "ON", "b": {"c": 1}}', "'ON' is no number"),
    ],
)
def test_an_object_without_a_field_is_refused_with_its_name(text, why):
    with pytest.raises(ValueError, match=why):
        parse(text, NAMED)


def test_a_contact_is_a_number_and_a_name_with_a_dot_is_a_name_first():
    text = b'{"a": true, "b.c": false, "b": {"c": 5}}'
    assert values(text, NAMED) == [(1.0, 0.0)]


def test_an_empty_list_is_no_row():
    assert parse(b"[]", THREE) == []


@pytest.mark.parametrize(
    "written",
    [
        "2023-11-14T22:13:20.25Z",
        "2023-11-14T23:13:20.250+01:00",
        "2023-11-14 22:13:20.25",
        1700000000.25,
        1700000000250,
        1700000000250000,
        1700000000250000000,
    ],
)
def test_the_time_of_a_row_in_every_way_that_people_write_it(written):
    text = json.dumps({"v": 1, "t": written}).encode()
    [row] = parse(text, TextOptions(fields=("v",)), "t")
    assert row.utc_ns == pytest.approx(1_700_000_000_250_000_000, abs=200)


@pytest.mark.parametrize("written", ["noon", 12.5, True, None, 1e300, "9999-99-99"])
def test_a_time_that_is_none_is_refused(written):
    text = json.dumps({"v": 1, "t": written}).encode()
    with pytest.raises(ValueError, match="is no time"):
        parse(text, TextOptions(fields=("v",)), "t")


def test_the_channels_are_the_fields_the_names_or_one_value():
    assert channels(NAMED) == (Channel("a", ""), Channel("b.c", ""))
    assert channels(THREE) == tuple(Channel(axis, "g") for axis in "xyz")
    assert channels(TextOptions(unit="bar")) == (Channel("value", "bar"),)


def test_keys_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="both fields and channels"):
        TextOptions(fields=("a",), channels=("a",))
    with pytest.raises(ValueError, match="twice"):
        TextOptions(fields=("a", "a"))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"fields": []}, TextOptions)


def test_a_slow_source_is_looked_at_often_enough_and_a_fast_one_not_too_often():
    periods = [TextOptions(rate_hz=rate).period_s for rate in (0.01, 1, 2, 1000)]
    assert periods == [1.0, 0.25, 0.125, 0.05]

"""Requests and answers as lines."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sensorml.drivers import adxl345
from sensorml.service import messages
from sensorml.service.messages import Record, Rows
from sensorml.types import Block


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 4)),
        elements=st.floats(width=32),
    ),
    st.integers(-(2**62), 2**62),
    st.floats(1e-4, 1e7),
    st.integers(0, 2**40),
    st.booleans(),
)
def test_a_block_arrives_as_it_was(samples, start_ns, rate_hz, missed, frozen):
    sent = Block(
        samples=samples,
        start_ns=start_ns,
        rate_hz=rate_hz,
        missed=3,
        clipped=np.arange(len(samples) // 2),
        age_ns=5,
        jitter_ns=-7,
        duplicated=1,
        frozen=frozen,
    )
    line = messages.line(Rows.of(sent, missed=missed))
    assert line.count(b"\n") == 1
    answer = messages.answer(line)
    assert isinstance(answer, Rows)
    got = answer.block()
    assert got.samples.tobytes() == sent.samples.tobytes()
    assert got.samples.shape == sent.samples.shape
    assert got.missed == missed
    assert got.clipped.tolist() == sent.clipped.tolist()
    for field in ("start_ns", "rate_hz", "age_ns", "jitter_ns", "duplicated", "frozen"):
        assert getattr(got, field) == getattr(sent, field)


def test_a_request_without_settings_is_valid():
    request = messages.request(b'{"do":"record","sensor":"motor"}\n')
    assert request == Record(sensor="motor")


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[]", b'{"do":"halt"}', b'{"do":"record","sensr":"x"}', b"\xff"],
)
def test_what_is_no_request_is_refused(line):
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        messages.request(line)


def test_the_first_setting_that_differs_is_named():
    ours = messages.settings(adxl345.Options(bus="sim", rate_hz=800))
    theirs = messages.settings(adxl345.Options(bus="sim", rate_hz=1600))
    assert messages.difference(ours, ours) == ""
    assert messages.difference(ours, theirs) == "rate_hz is 800 and not 1600"


def test_a_setting_that_one_side_does_not_know_differs():
    one, two = msgspec.Raw(b"1"), msgspec.Raw(b"2")
    ours, theirs = {"a": one, "b": two}, {"b": two, "c": one}
    assert messages.difference(ours, theirs) == "a is 1 and not absent"
    assert messages.difference(theirs, ours) == "c is 1 and not absent"

"""The layout of scans in the kernel's buffer, and refused settings."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from iio_scan import pack

from sensorml.buses import iio_buffer as iiobuffer
from sensorml.buses.iio_buffer import element, layout, unpack
from sensorml.errors import BusError, SensorError


@st.composite
def scan_types(draw):
    storage = draw(st.sampled_from([8, 16, 32, 64]))
    sign = draw(st.sampled_from("su"))
    bits = draw(st.integers(1, storage if sign == "s" else min(storage, 63)))
    shift = draw(st.integers(0, storage - bits))
    return f"{draw(st.sampled_from(['le', 'be']))}:{sign}{bits}/{storage}>>{shift}"


@given(st.data(), st.lists(scan_types(), min_size=1, max_size=6))
def test_what_the_kernel_packs_comes_out_again(data, types):
    elements = [element(f"e{i}", i, text) for i, text in enumerate(types)]
    ranges = [
        st.integers(-(1 << e.bits - 1), (1 << e.bits - 1) - 1)
        if e.signed
        else st.integers(0, (1 << e.bits) - 1)
        for e in elements
    ]
    rows = data.draw(st.lists(st.tuples(*ranges), max_size=4))
    made = layout(elements[::-1])
    values = unpack(b"".join(pack(elements, row) for row in rows), made)
    for i, each in enumerate(elements):
        assert values[each.name].tolist() == [row[i] for row in rows]


@given(st.text(max_size=20))
def test_a_type_is_read_or_refused(text):
    assume(not text.startswith(("le:", "be:")))
    with pytest.raises(SensorError, match=r"in_x_type: .* is not supported"):
        element("x", 0, text)


@pytest.mark.parametrize(
    "text", ["le:s16/16X3>>0", "le:s16/24>>0", "le:s12/16>>5", "le:s0/16", "le:f32/32"]
)
def test_an_element_of_another_kind_is_refused(text):
    with pytest.raises(SensorError, match="remove the input"):
        element("x", 0, text)


def test_a_setting_that_is_refused_names_what_may_be_written(tmp_path):
    choices = tmp_path / "sampling_frequency_available"
    choices.write_text("100 200\n")
    (tmp_path / "sampling_frequency").mkdir()  # refuses every write
    with pytest.raises(BusError, match=r"300 is refused: .*: use one of 100 200"):
        iiobuffer.write(tmp_path / "sampling_frequency", "300")

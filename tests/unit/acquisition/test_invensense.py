"""What the InvenSense drivers share, and the ring of bytes of their chips."""

from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensorml.acquisition.invensense import decode
from sensorml.sim.bytefifo import ByteFifo


@given(
    st.lists(st.tuples(*[st.integers(-32768, 32767)] * 3), min_size=1, max_size=170),
    st.sampled_from([2, 4, 8, 16]),
)
def test_decode_gives_back_what_the_chip_encoded(rows, range_g):
    decoded = decode(np.array(rows, ">i2").tobytes(), range_g)
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded * (32768 / range_g), rows)


@given(st.lists(st.one_of(st.binary(max_size=14), st.integers(0, 20)), max_size=60))
def test_the_ring_keeps_the_newest_bytes_in_order(steps):
    fifo, model = ByteFifo(32), deque(maxlen=32)
    for step in steps:
        if isinstance(step, bytes):
            assert fifo.push(step) == (len(model) + len(step) <= 32)
            model.extend(step)
        else:
            for _ in range(min(step, len(model))):
                assert fifo.pop() == model.popleft()
        assert fifo.latch() == len(model)


def test_the_empty_ring_repeats_its_last_byte():
    fifo = ByteFifo(8)
    assert fifo.pop() == 0
    fifo.push(b"\x07\x08")
    assert [fifo.pop() for _ in range(4)] == [7, 8, 8, 8]


def test_the_count_stays_until_it_is_taken_again():
    fifo = ByteFifo(8)
    fifo.push(b"\x01\x02")
    fifo.latch()
    fifo.push(b"\x03")
    assert fifo.latched == 2
    fifo.clear()
    assert fifo.latch() == 0

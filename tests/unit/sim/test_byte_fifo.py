"""The ring of bytes of the simulated InvenSense chips."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from sensorml.sim.byte_fifo import ByteFifo


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

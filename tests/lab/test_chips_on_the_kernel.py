"""The contracts of every chip that has a FIFO, on the kernel's bus through smbus2."""

import pytest
from contracts.test_chips import *  # noqa: F403 - the same tests on this bus
from kernel_bus import KernelBus, fast_bus

# These need many seconds of samples; test_figures.py and test_faults.py do that here.
del (
    test_times_and_rate_are_those_of_the_sensors_clock,  # noqa: F821
    test_blocks_follow_each_other_without_a_jump,  # noqa: F821
    test_what_an_overrun_lost_is_counted,  # noqa: F821
    test_a_reader_held_up_amid_a_read_glues_nothing_together,  # noqa: F821
    test_at_any_rate_it_is_read_at_fifo_rows_and_every_sample_arrives_once,  # noqa: F821
)


@pytest.fixture(scope="module")
def adapter():
    with fast_bus() as adapter:
        yield adapter


@pytest.fixture
def place(adapter):
    place = KernelBus(adapter)
    yield place
    place.close()

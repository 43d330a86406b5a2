"""The contracts of every chip that has a FIFO, on the kernel's bus through smbus2."""

import pytest
from contracts.test_chips import *  # noqa: F403 - the same tests on this bus
from kernel_bus import KernelBus, fast_bus

# These need many seconds of samples; test_figures.py and test_faults.py do that here.
del (
    test_times_and_rate_follow_the_sensors_clock,  # noqa: F821
    test_blocks_follow_each_other_without_a_jump,  # noqa: F821
    test_the_rows_that_an_overrun_lost_are_counted,  # noqa: F821
    test_a_reader_delayed_within_a_read_joins_no_separate_samples,  # noqa: F821
    test_fifo_rows_holds_at_any_rate_and_every_sample_arrives_once,  # noqa: F821
)


@pytest.fixture(scope="module")
def adapter():
    with fast_bus() as adapter:
        yield adapter


@pytest.fixture
def bus(adapter):
    bus = KernelBus(adapter)
    yield bus
    bus.close()

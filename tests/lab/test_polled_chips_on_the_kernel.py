"""The contracts of every chip that is polled, on the kernel's bus through smbus2."""

import pytest
from contracts.test_polled_chips import *  # noqa: F403 - the same tests on this bus
from kernel_bus import KernelBus, fast_bus


@pytest.fixture(scope="module")
def adapter():
    with fast_bus() as adapter:
        yield adapter


@pytest.fixture
def bus(adapter):
    bus = KernelBus(adapter)
    yield bus
    bus.close()

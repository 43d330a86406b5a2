"""The bytes on the wire of a FIFO: at most a tenth more than its rows."""

import pytest

from bench.bus import FIFO_ROWS, ROW_BYTES, rates, wire
from sensorml import plugins
from sensorml.buses.i2c import I2cOptions

AT_MOST = 1.1


def test_every_chip_with_a_fifo_is_measured():
    options = {name: plugins.driver(name).Options for name in plugins.names("drivers")}
    with_fifo = {
        name
        for name, each in options.items()
        if issubclass(each, I2cOptions) and "fifo_rows" in each.__struct_fields__
    }
    assert set(ROW_BYTES) == with_fifo


@pytest.mark.parametrize("driver", ROW_BYTES)
def test_the_bytes_on_the_wire_are_nearly_only_samples(driver):
    assert 1 <= wire(driver).ratio <= AT_MOST


@pytest.mark.parametrize(("driver", "chosen"), list(rates()))
def test_the_bytes_are_nearly_only_samples_at_any_rate_with_enough_rows_per_read(
    driver, chosen
):
    assert chosen["fifo_rows"] == FIFO_ROWS
    assert 1 <= wire(driver, **chosen).ratio <= AT_MOST

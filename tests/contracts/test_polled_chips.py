"""The contract of polled chips: each simulated chip with the driver of its name.

The tests find new chips by themselves: their Options have no `fifo_rows`. Chips on SPI
stay simulated where the others are on the lab's kernel, which has no SPI.
"""

import importlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from simulated_bus import SimulatedSelect

import sensorml.sim.chips
from sensorml.buses.spi import ChipSelectOptions
from sensorml.errors import BusError, SensorError
from sensorml.sim.machine import Machine, MachineOptions


def module(name):
    return importlib.import_module(f"sensorml.drivers.{name}")


FOLDER = Path(sensorml.sim.chips.__path__[0])
POLLED = sorted(
    file.stem
    for file in FOLDER.glob("[!_]*.py")
    if "fifo_rows" not in module(file.stem).Options.__struct_fields__
)


CONFIGURED = [name for name in POLLED if name != "max31855"]
"""The chips that have settings, and can sleep."""


def on_spi(name):
    return issubclass(module(name).Options, ChipSelectOptions)


class Bench:
    """A driver and its simulated chip."""

    def __init__(self, bus, name, **options):
        if on_spi(name):
            bus = SimulatedSelect()
        self.bus = bus
        self.options = module(name).Options(bus=bus.name, **options)
        self.channels = module(name).channels(self.options)
        simulated = importlib.import_module(f"sensorml.sim.chips.{name}")
        self.chip = simulated.Chip(Machine(MachineOptions()), bus.clock)
        bus.attach(self.options, self.chip)
        self.driver = module(name).Driver(self.options, bus.connect, bus.clock)

    def row(self):
        """Read the driver once a period until it has a row."""
        for _ in range(16):
            self.bus.wait(self.driver.period_s)
            if (block := self.driver.read()) is not None:
                return block
        raise AssertionError("no row in 16 reads")


def highest_rate_hz(name):
    (field,) = (
        f for f in msgspec.structs.fields(module(name).Options) if f.name == "rate_hz"
    )
    return field.type.__metadata__[-1].le


@pytest.fixture(params=POLLED)
def name(request):
    return request.param


def test_a_row_comes_once_a_period_with_the_time_of_the_read(bus, name):
    bench = Bench(bus, name, rate_hz=0.5)
    bench.driver.start()
    begun = bench.bus.now_ns
    for i in range(1, 5):
        block = bench.row()
        assert block.samples.shape == (1, len(bench.channels))
        assert block.samples.dtype == np.float32
        assert np.isfinite(block.samples).all()
        due_ns = begun + i * 2_000_000_000
        assert due_ns <= block.start_ns <= bench.bus.now_ns < due_ns + 0.02e9
        assert (block.rate_hz, block.missed, block.age_ns) == (0.5, 0, 0)


def test_rows_that_were_not_read_count_as_missed(bus, name):
    bench = Bench(bus, name)
    bench.driver.start()
    bench.row()
    bench.bus.wait(5 / bench.options.rate_hz)
    assert 4 <= bench.row().missed <= 5


def test_late_reads_cost_a_row_only_when_two_are_close_together(bus, name):
    most = highest_rate_hz(name)
    bench = Bench(bus, name, rate_hz=most)
    bench.driver.start()
    period_ns = bench.driver.period_s * 1e9
    last_ns = begun_ns = bench.bus.now_ns
    rows = empty = missed = 0
    # A later read could count as an early one of the next period.
    for i, late in enumerate(np.random.default_rng(1).uniform(0, 0.8, 30), 1):
        due_ns = begun_ns + (i + late) * period_ns
        bench.bus.wait(max(0, due_ns - bench.bus.now_ns) / 1e9)
        apart = (bench.bus.now_ns - last_ns) / period_ns
        if (block := bench.driver.read()) is not None:
            rows, missed, last_ns = rows + 1, missed + block.missed, block.start_ns
        else:
            empty += 1
            assert apart < 0.7
    assert rows > empty
    assert missed <= empty


def test_the_jitter_is_the_delay_of_a_row(bus, name):
    bench = Bench(bus, name, rate_hz=1.0)
    bench.driver.start()
    assert bench.row().jitter_ns == 0
    bench.bus.wait(1.3)
    assert bench.driver.read().jitter_ns == pytest.approx(0.3e9, abs=0.02e9)
    bench.bus.wait(0.7)
    assert bench.driver.read().jitter_ns == pytest.approx(-0.3e9, abs=0.02e9)


def test_the_chip_keeps_up_with_the_highest_rate(bus, name):
    most = highest_rate_hz(name)
    bench = Bench(bus, name, rate_hz=most)
    bench.driver.start()
    assert [bench.row().missed for _ in range(3)] == [0, 0, 0]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"rate_hz": most * 1.01}, module(name).Options)


def test_an_absent_chip_is_a_bus_error_until_it_returns(bus, name):
    bench = Bench(bus, name)
    bench.chip.absent = True
    with pytest.raises(BusError, match=r"check the wir(ing|es)"):
        bench.driver.start()
    bench.driver.stop()
    bench.chip.absent = False
    bench.driver.start()
    bench.row()


def test_a_running_chip_that_is_unplugged_is_a_bus_error(bus, name):
    bench = Bench(bus, name)
    bench.driver.start()
    bench.row()
    bench.chip.absent = True
    with pytest.raises(BusError):
        bench.row()
    bench.driver.stop()


@pytest.mark.parametrize("stuck", [0x00, 0x55, 0xFF])
def test_a_stuck_data_line_is_an_error_and_never_a_number(bus, name, stuck):
    bench = Bench(bus, name)
    # On SPI a line that is stuck looks as if there were no chip.
    error = BusError if on_spi(name) and stuck != 0x55 else SensorError
    bench.chip.stuck = stuck
    with pytest.raises(error):
        bench.driver.start()
    bench.driver.stop()
    bench.chip.stuck = None
    bench.driver.start()
    bench.row()
    bench.chip.stuck = stuck
    with pytest.raises(error):
        bench.row()


@pytest.mark.parametrize("name", CONFIGURED)
def test_a_brown_out_is_an_error_until_the_next_start(bus, name):
    bench = Bench(bus, name)
    bench.driver.start()
    bench.row()
    bench.chip.brown_out()
    with pytest.raises(SensorError):
        bench.row()
    bench.driver.stop()
    bench.driver.start()
    bench.row()


@pytest.mark.parametrize("name", CONFIGURED)
def test_stop_puts_the_chip_to_sleep_and_may_come_at_any_time(bus, name):
    bench = Bench(bus, name)
    bench.driver.stop()
    bench.driver.start()
    assert not bench.chip.asleep
    bench.row()
    bench.driver.stop()
    bench.driver.stop()
    bench.bus.wait(1)
    assert bench.chip.asleep
    with pytest.raises(BusError, match="not started"):
        bench.driver.read()


def test_a_new_start_counts_no_earlier_rows_as_missed(bus, name):
    bench = Bench(bus, name)
    bench.driver.start()
    bench.row()
    bench.bus.wait(100)
    bench.driver.start()
    assert bench.row().missed == 0


def test_a_simulated_bus_has_the_chip(name):
    driver = module(name).Driver(module(name).Options(bus="sim", rate_hz=0.5))
    driver.start()
    driver.stop()


def test_channels_need_no_hardware(name):
    channels = module(name).channels(module(name).Options())
    assert channels
    assert len({channel.name for channel in channels}) == len(channels)

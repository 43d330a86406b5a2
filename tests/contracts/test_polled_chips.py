"""Every simulated chip that is polled, with the driver of its name.

A new one is tested by being there: its Options are `PolledOptions`.
"""

import importlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

import sensorml.sim.chips
from sensorml.acquisition.polled import PolledOptions
from sensorml.errors import BusError, SensorError
from sensorml.sim.machine import Machine, MachineOptions


def module(name):
    return importlib.import_module(f"sensorml.drivers.{name}")


FOLDER = Path(sensorml.sim.chips.__path__[0])
POLLED = sorted(
    file.stem
    for file in FOLDER.glob("[!_]*.py")
    if issubclass(module(file.stem).Options, PolledOptions)
)


class Bench:
    """A driver and its simulated chip."""

    def __init__(self, place, name, **options):
        self.place = place
        self.options = module(name).Options(bus=place.bus, **options)
        self.channels = module(name).channels(self.options)
        simulated = importlib.import_module(f"sensorml.sim.chips.{name}")
        self.chip = simulated.Chip(Machine(MachineOptions()), place.clock)
        place.put({self.options.address: self.chip})
        self.driver = module(name).Driver(self.options, place.connect, place.clock)

    def row(self):
        """Visit the driver when it wants to be visited, until it has a row."""
        for _ in range(16):
            self.place.wait(self.driver.period_s)
            if (block := self.driver.read()) is not None:
                return block
        raise AssertionError("16 visits and no row")


def highest_rate_hz(name):
    (field,) = (
        f for f in msgspec.structs.fields(module(name).Options) if f.name == "rate_hz"
    )
    return field.type.__metadata__[-1].le


@pytest.fixture(params=POLLED)
def name(request):
    return request.param


def test_a_row_comes_once_a_period_with_the_time_of_the_read(place, name):
    bench = Bench(place, name, rate_hz=0.5)
    bench.driver.start()
    begun = bench.place.now_ns
    for i in range(1, 5):
        block = bench.row()
        assert block.samples.shape == (1, len(bench.channels))
        assert block.samples.dtype == np.float32
        assert np.isfinite(block.samples).all()
        due_ns = begun + i * 2_000_000_000
        assert due_ns <= block.start_ns <= bench.place.now_ns < due_ns + 0.02e9
        assert (block.rate_hz, block.missed, block.age_ns) == (0.5, 0, 0)


def test_rows_that_nobody_asked_for_are_missed(place, name):
    bench = Bench(place, name)
    bench.driver.start()
    bench.row()
    bench.place.wait(5 / bench.options.rate_hz)
    assert 4 <= bench.row().missed <= 5


def test_late_visits_make_no_driver_fail_and_cost_a_row_only_where_two_come_close(
    place, name
):
    most = highest_rate_hz(name)
    bench = Bench(place, name, rate_hz=most)
    bench.driver.start()
    period_ns = bench.driver.period_s * 1e9
    last_ns = begun_ns = bench.place.now_ns
    rows = empty = missed = 0
    # Later than that, and it might be the next visit, early.
    for i, late in enumerate(np.random.default_rng(1).uniform(0, 0.8, 30), 1):
        due_ns = begun_ns + (i + late) * period_ns
        bench.place.wait(max(0, due_ns - bench.place.now_ns) / 1e9)
        apart = (bench.place.now_ns - last_ns) / period_ns
        if (block := bench.driver.read()) is not None:
            rows, missed, last_ns = rows + 1, missed + block.missed, block.start_ns
        else:
            empty += 1
            assert apart < 0.7
    assert rows > empty
    assert missed <= empty


def test_how_late_a_row_is_is_its_jitter(place, name):
    bench = Bench(place, name, rate_hz=1.0)
    bench.driver.start()
    assert bench.row().jitter_ns == 0
    bench.place.wait(1.3)
    assert bench.driver.read().jitter_ns == pytest.approx(0.3e9, abs=0.02e9)
    bench.place.wait(0.7)
    assert bench.driver.read().jitter_ns == pytest.approx(-0.3e9, abs=0.02e9)


def test_the_highest_rate_is_one_that_the_chip_can_do(place, name):
    most = highest_rate_hz(name)
    bench = Bench(place, name, rate_hz=most)
    bench.driver.start()
    assert [bench.row().missed for _ in range(3)] == [0, 0, 0]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"rate_hz": most * 1.01}, module(name).Options)


def test_an_absent_chip_is_a_bus_error_and_works_once_it_is_there(place, name):
    bench = Bench(place, name)
    bench.chip.absent = True
    with pytest.raises(BusError, match="check the wiring"):
        bench.driver.start()
    bench.driver.stop()
    bench.chip.absent = False
    bench.driver.start()
    bench.row()


def test_a_chip_that_is_unplugged_while_it_runs_is_a_bus_error(place, name):
    bench = Bench(place, name)
    bench.driver.start()
    bench.row()
    bench.chip.absent = True
    with pytest.raises(BusError):
        bench.row()
    bench.driver.stop()


@pytest.mark.parametrize("stuck", [0x00, 0x55, 0xFF])
def test_a_stuck_data_line_is_an_error_and_never_a_number(place, name, stuck):
    bench = Bench(place, name)
    bench.chip.stuck = stuck
    with pytest.raises(SensorError):
        bench.driver.start()
    bench.driver.stop()
    bench.chip.stuck = None
    bench.driver.start()
    bench.row()
    bench.chip.stuck = stuck
    with pytest.raises(SensorError):
        bench.row()


def test_a_brown_out_is_noticed_and_a_new_start_cures_it(place, name):
    bench = Bench(place, name)
    bench.driver.start()
    bench.row()
    bench.chip.brown_out()
    with pytest.raises(SensorError):
        bench.row()
    bench.driver.stop()
    bench.driver.start()
    bench.row()


def test_stop_puts_the_chip_to_sleep_and_may_come_at_any_time(place, name):
    bench = Bench(place, name)
    bench.driver.stop()
    bench.driver.start()
    assert not bench.chip.asleep
    bench.row()
    bench.driver.stop()
    bench.driver.stop()
    bench.place.wait(1)
    assert bench.chip.asleep
    with pytest.raises(BusError, match="not started"):
        bench.driver.read()


def test_a_new_start_knows_nothing_of_the_time_before(place, name):
    bench = Bench(place, name)
    bench.driver.start()
    bench.row()
    bench.place.wait(100)
    bench.driver.start()
    assert bench.row().missed == 0


def test_on_a_simulated_bus_the_chip_comes_with_it(name):
    driver = module(name).Driver(module(name).Options(bus="sim", rate_hz=0.5))
    driver.start()
    driver.stop()


def test_its_channels_are_known_without_hardware(name):
    found = module(name).channels(module(name).Options())
    assert found
    assert len({channel.name for channel in found}) == len(found)

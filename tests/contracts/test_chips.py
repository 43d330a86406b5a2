"""The contract of chips with a FIFO: each simulated chip with the driver of its name.

The tests find new chips in sensorml/sim/chips/: their Options have `fifo_rows`. Chips
without a FIFO are tested in test_polled_chips.py.
"""

import importlib
from itertools import pairwise, product
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import sensorml.sim.chips
from sensorml.acquisition.fifo_schedule import GOLDEN
from sensorml.buses.i2c import I2cOptions
from sensorml.errors import BusError, BusReason, SensorError
from sensorml.sim.machine import Machine, MachineOptions
from sensorml.types import Channel

FOLDER = Path(sensorml.sim.chips.__path__[0])


STEP_G = {"adxl372": 0.1}
"""The step of a chip, where it is too coarse to be within the tolerances."""
NOISY = MachineOptions(noise_g=2.0)
"""A machine whose rows a coarse chip tells apart."""
SETTING_UP = 20
"""The most rows that a chip takes during its setup."""


def module(name):
    return importlib.import_module(f"sensorml.drivers.{name}")


CHIPS = sorted(
    file.stem
    for file in FOLDER.glob("[!_]*.py")
    if "fifo_rows" in module(file.stem).Options.__struct_fields__
)


def choices(name, key):
    """Return the values, or the alternatives, in the type of a key."""
    fields = msgspec.structs.fields(module(name).Options)
    return next(get_args(field.type) for field in fields if field.name == key)


def smallest_range_g(name):
    return min(choices(name, "range_g"))


def most_fifo_rows(name):
    number, _none = choices(name, "fifo_rows")
    return number.__metadata__[0].le


class Bench:
    """A driver, its simulated chip, and the blocks read so far."""

    def __init__(self, bus, name, machine=None, options=None, **chip):
        self.bus = bus
        self.name = name
        self.options = module(name).Options(bus=bus.name, **(options or {}))
        usual = NOISY if name in STEP_G else MachineOptions()
        self.machine = Machine(machine or usual)
        self.rounding_g = STEP_G.get(name, 0.0) / 2
        simulated = importlib.import_module(f"sensorml.sim.chips.{name}")
        self.chip = simulated.Chip(self.machine, bus.clock, **chip)
        self.born_ns = self.chip.converter.born_ns
        bus.put({self.options.address: self.chip})
        self.driver = module(name).Driver(self.options, self.connect, bus.clock)
        self.blocks = []

    def connect(self, options, chip):
        assert chip == self.name
        return self.bus.connect(options, chip)

    def run(self, seconds):
        """Read at the driver's own pace; return the new blocks."""
        end_ns = self.bus.now_ns + seconds * 1e9
        new = []
        while self.bus.now_ns < end_ns:
            self.bus.wait(self.driver.period_s)
            if (block := self.driver.read()) is not None:
                new.append(block)
                self.blocks.append(block)
        return new

    def true_rows(self, times_ns, rows):
        """Return the true rows from the first of `rows` on, as many as these.

        A chip may take samples before its FIFO is switched on.
        """
        truth = self.machine.acceleration((times_ns - self.born_ns) / 1e9)
        error = np.abs(truth[:SETTING_UP] - rows[0]).max(axis=1)
        return truth[error.argmin() :][: len(rows)]

    def time_error(self, block, first):
        """Return the largest error of a block's times, in periods."""
        rows = len(block.samples)
        truth = self.chip.converter.times_ns(first, first + rows)
        times_ns = block.start_ns + np.arange(rows) * 1e9 / block.rate_hz
        return np.abs(times_ns - truth).max() * block.rate_hz / 1e9


@pytest.fixture(params=CHIPS)
def name(request):
    return request.param


def test_every_sample_arrives_once_and_in_order(bus, name):
    bench = Bench(bus, name, rate_error=0.01)
    bench.driver.start()
    bench.run(3)
    rows = np.concatenate([block.samples for block in bench.blocks])
    assert len(rows) > 2.9 * bench.options.rate_hz
    times_ns = bench.chip.converter.times_ns(0, len(rows) + SETTING_UP)
    truth = bench.true_rows(times_ns, rows)
    assert rows.dtype == np.float32
    # Rows differ by noise, so a row too many or too few does not fit.
    np.testing.assert_allclose(rows, truth, atol=0.005 + bench.rounding_g)
    assert all(block.missed == 0 for block in bench.blocks)


@pytest.mark.parametrize("rate_error", [-0.04, 0.0, 0.013])
def test_times_and_rate_follow_the_sensors_clock(bus, name, rate_error):
    bench = Bench(bus, name, rate_error=rate_error)
    bench.driver.start()
    first = 0
    for block in bench.run(61):
        if first > 2 * bench.options.rate_hz:
            assert bench.time_error(block, first) < 0.6
        first += len(block.samples)
    true_hz = bench.options.rate_hz * (1 + rate_error)
    assert bench.blocks[-1].rate_hz == pytest.approx(true_hz, rel=50e-6)


def test_the_age_is_that_of_the_newest_row(bus, name):
    bench = Bench(bus, name)
    bench.driver.start()
    period_ns = 1e9 / bench.options.rate_hz
    for _ in range(100):
        bus.wait(bench.driver.period_s)
        began_ns = bus.now_ns
        if (block := bench.driver.read()) is None:
            continue
        took_ns = bus.now_ns - began_ns
        last_ns = block.start_ns + (len(block.samples) - 1) * 1e9 / block.rate_hz
        assert 0 <= block.age_ns < 3 * period_ns + took_ns
        assert last_ns <= bus.now_ns


def test_blocks_follow_each_other_without_a_jump(bus, name):
    bench = Bench(bus, name, rate_error=-0.03)
    bench.driver.start()
    bench.run(5)
    for before, after in pairwise(bench.blocks):
        expected = before.start_ns + len(before.samples) * 1e9 / before.rate_hz
        assert abs(after.start_ns - expected) * after.rate_hz / 1e9 < 0.3


@pytest.mark.parametrize("stall_s", [0.3, 2.0])
def test_the_rows_that_an_overrun_lost_are_counted(bus, name, stall_s):
    bench = Bench(bus, name, rate_error=0.02)
    bench.driver.start()
    bench.run(20)
    bench.bus.wait(stall_s)
    after = bench.run(1)
    assert sum(block.missed for block in after) > 0
    rows = sum(len(block.samples) + block.missed for block in bench.blocks)
    assert rows == pytest.approx(bench.chip.converter.taken, abs=3)
    last = after[-1]
    first = bench.chip.converter.taken - len(last.samples)
    assert bench.time_error(last, first) < 1.5


def test_a_read_without_new_rows_returns_none(bus, name):
    bench = Bench(bus, name)
    bench.driver.start()
    assert bench.driver.read() is None


def test_the_chip_takes_every_rate_and_range_of_the_options(bus, name):
    for rate_hz in choices(name, "rate_hz"):
        bench = Bench(bus, name, options={"rate_hz": rate_hz})
        assert 0 < bench.driver.period_s <= 0.05
        bench.driver.start()
        bench.run(1)
        assert bench.chip.converter.taken == pytest.approx(rate_hz, rel=0.1, abs=2)
        assert sum(block.missed for block in bench.blocks) == 0
    for range_g in choices(name, "range_g"):
        machine = MachineOptions(
            harmonics=(), noise_g=0.0, gravity=(0.5 * range_g, -0.25, 1.1 * range_g)
        )
        bench = Bench(bus, name, machine, options={"range_g": range_g})
        bench.driver.start()
        block = bench.run(0.2)[-1]
        x, y, z = block.samples[0]
        error_g = 0.02 + bench.rounding_g
        assert (x, y) == pytest.approx((0.5 * range_g, -0.25), abs=error_g)
        assert z == pytest.approx(range_g, rel=0.025)  # ±2 g may be ±2.048 g


@pytest.mark.parametrize("rate_error", [-0.04, 0.04])
def test_fifo_rows_holds_at_any_rate_and_every_sample_arrives_once(
    bus, name, rate_error
):
    counts = (1, 16, most_fifo_rows(name))
    for rate_hz, fifo_rows in product(choices(name, "rate_hz"), counts):
        options = {"rate_hz": rate_hz, "fifo_rows": fifo_rows}
        bench = Bench(bus, name, options=options, rate_error=rate_error)
        bench.driver.start()
        bench.run(12 * fifo_rows / rate_hz)
        mean = np.mean([len(block.samples) for block in bench.blocks])
        assert mean == pytest.approx((fifo_rows - GOLDEN) * (1 + rate_error), abs=1)
        rows = np.concatenate([block.samples for block in bench.blocks])
        times_ns = bench.chip.converter.times_ns(0, len(rows) + SETTING_UP)
        truth, atol = bench.true_rows(times_ns, rows), 0.008 + bench.rounding_g
        np.testing.assert_allclose(rows, truth, atol=atol)
        assert all(block.missed == 0 for block in bench.blocks)


def test_a_frozen_chip_repeats_one_row_for_longer_than_frozen_rows(bus, name):
    bench = Bench(bus, name)
    bench.driver.start()
    bench.run(0.2)
    bench.chip.frozen = True
    bench.run(0.2)
    rows = np.concatenate([block.samples for block in bench.run(1)])
    # With a coarse step a healthy chip may repeat a row for ever.
    assert (bench.driver.frozen_rows is None) == (name in STEP_G)
    assert len(rows) >= (bench.driver.frozen_rows or 0)
    assert (rows == rows[0]).all()


def test_rows_at_full_scale_are_marked_as_clipped(bus, name):
    range_g = smallest_range_g(name)
    machine = MachineOptions(
        harmonics=(0.25 * range_g,), gravity=(0.0, 0.0, 0.9 * range_g)
    )
    bench = Bench(bus, name, machine, options={"range_g": range_g})
    bench.driver.start()
    bench.run(1)
    marked = sum(len(block.clipped) for block in bench.blocks)
    assert 0 < marked < sum(len(block.samples) for block in bench.blocks)
    top = max(block.samples.max() for block in bench.blocks)
    for block in bench.blocks:
        full = np.flatnonzero(block.samples[:, 2] == top)
        np.testing.assert_array_equal(block.clipped, full)


def test_a_clone_with_another_identity_causes_a_warning_and_is_used(bus, name):
    bench = Bench(bus, name, identity=0x42)
    assert "0x42" in bench.driver.start()
    assert bench.run(0.5)


def test_a_registered_identity_causes_no_warning(bus, name):
    assert Bench(bus, name).driver.start() is None


@pytest.mark.parametrize("pause_s", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("after", range(4))
def test_a_reader_delayed_within_a_read_joins_no_separate_samples(
    bus, name, after, pause_s
):
    bench = Bench(bus, name, rate_error=-0.02)
    bench.driver.start()
    bench.run(2)
    read, reads = bench.chip.read, []

    def late(length):
        reads.append(length)
        if len(reads) == after + 1:
            bench.bus.wait(pause_s)
        return read(length)

    bench.chip.read = late
    bench.run(1)
    times = bench.chip.converter.times_ns(0, bench.chip.converter.taken)
    truth = bench.machine.acceleration((times - bench.born_ns) / 1e9)
    expected = 0
    for block in bench.blocks:
        stretches = sliding_window_view(truth[expected:], len(block.samples), axis=0)
        error = np.abs(stretches - block.samples.T).max(axis=(1, 2))
        first = expected + int(error.argmin())
        most_g = 0.005 + bench.rounding_g
        assert error.min() < most_g, "the rows are not consecutive samples"
        assert block.missed == pytest.approx(first - expected, abs=1)
        assert bool(block.missed) >= (first != expected)
        assert bench.time_error(block, first) < 1.5
        expected = first + len(block.samples)


@pytest.mark.parametrize("rest", [0x00, 0xFF])
@pytest.mark.parametrize("after", range(4))
def test_a_power_dip_within_a_read_gives_no_invented_rows(bus, name, after, rest):
    bench = Bench(bus, name)
    bench.driver.start()
    times_ns = bench.chip.converter.times_ns(0, bench.options.rate_hz)
    bench.run(0.5)
    read, reads = bench.chip.read, []

    def dips(length):
        data = read(length)
        reads.append(length)
        if len(reads) == after + 1:
            bench.chip.brown_out()
            half = length // 18 * 9  # whole rows of six bytes, or of nine
            data = data[: length - half] + bytes((rest,)) * half
        return data

    bench.chip.read = dips
    with pytest.raises(SensorError):
        bench.run(2)
    rows = np.concatenate([block.samples for block in bench.blocks])
    truth = bench.true_rows(times_ns, rows)
    np.testing.assert_allclose(rows, truth, atol=0.005 + bench.rounding_g)


def test_an_absent_chip_is_a_bus_error_until_it_returns(bus, name):
    bench = Bench(bus, name)
    bench.chip.absent = True
    with pytest.raises(BusError, match="check the wiring") as failure:
        bench.driver.start()
    assert failure.value.reason is BusReason.NOBODY
    bench.driver.stop()
    bench.chip.absent = False
    bench.driver.start()
    assert bench.run(0.5)


def test_a_running_chip_that_is_unplugged_is_a_bus_error(bus, name):
    bench = Bench(bus, name)
    bench.driver.start()
    bench.run(0.5)
    bench.chip.absent = True
    with pytest.raises(BusError):
        bench.run(0.5)
    bench.driver.stop()
    bench.chip.absent = False
    bench.driver.start()
    assert bench.run(0.5)


def test_a_chip_that_refuses_its_configuration_is_a_bus_error(bus, name):
    bench = Bench(bus, name)
    bench.chip.nack_at = 1
    with pytest.raises(BusError):
        bench.driver.start()
    bench.driver.stop()


@pytest.mark.parametrize("reads", [0, 1, 6])
def test_a_refused_read_is_a_bus_error_until_the_next_start(bus, name, reads):
    bench = Bench(bus, name)
    bench.driver.start()
    bench.run(0.2)
    bench.chip.reads_until_nack = reads
    with pytest.raises(BusError) as failure:
        bench.run(1)
    assert failure.value.reason is BusReason.REFUSED
    bench.driver.stop()
    bench.chip.reads_until_nack = None
    bench.driver.start()
    assert bench.run(0.2)


def test_a_register_that_does_not_keep_its_value_is_an_error(bus, name):
    bench = Bench(bus, name)
    bench.chip.stuck = 0x55
    with pytest.raises(SensorError, match="was set to"):
        bench.driver.start()


def test_rows_of_zeros_only_are_an_error(bus, name):
    weightless = MachineOptions(harmonics=(), noise_g=0.0, gravity=(0.0, 0.0, 0.0))
    bench = Bench(bus, name, weightless)
    bench.driver.start()
    with pytest.raises(SensorError, match=r"nothing but 0x00.*check its power"):
        bench.run(0.5)


def test_a_brown_out_is_an_error_until_the_next_start(bus, name):
    bench = Bench(bus, name)
    bench.driver.start()
    bench.run(0.5)
    bench.chip.brown_out()
    with pytest.raises(SensorError, match="lost its configuration"):
        bench.run(2)
    bench.driver.stop()
    bench.driver.start()
    assert bench.run(0.5)


def test_stop_puts_the_chip_to_sleep(bus, name):
    bench = Bench(bus, name)
    bench.driver.start()
    assert not bench.chip.asleep
    bench.driver.stop()
    assert bench.chip.asleep
    with pytest.raises(BusError, match="not started"):
        bench.driver.read()


def test_stop_may_come_before_start_and_twice(bus, name):
    bench = Bench(bus, name)
    bench.driver.stop()
    bench.driver.start()
    bench.driver.stop()
    bench.driver.stop()
    assert bench.chip.asleep


def test_a_new_start_discards_earlier_samples(bus, name):
    bench = Bench(bus, name)
    bench.driver.start()
    bench.bus.wait(0.02)
    bench.driver.start()
    assert bench.driver.read() is None


def test_options_are_decoded_from_a_table_of_an_i2c_sensor(name):
    options = module(name).Options
    assert issubclass(options, I2cOptions)
    decoded = msgspec.convert({"bus": 1, "range_g": smallest_range_g(name)}, options)
    assert decoded.thread == "i2c-1"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"rate_hz": 801}, options)


def test_channels_need_no_hardware(name):
    channels = module(name).channels(module(name).Options())
    assert [*channels] == [Channel(axis, "g") for axis in "xyz"]


SELF_TESTING = [name for name in CHIPS if hasattr(module(name), "self_test")]
AT_REST = MachineOptions(harmonics=())


def self_test(bench):
    bus = bench.connect(bench.options, bench.name)
    return module(bench.name).self_test(bus, bench.bus.wait)


@pytest.mark.parametrize("name", SELF_TESTING)
@pytest.mark.parametrize("gravity", [(0.0, 0.0, 1.0), (0.0, -1.0, 0.0)])
def test_a_healthy_chip_passes_its_self_test_in_any_orientation(bus, name, gravity):
    bench = Bench(bus, name, MachineOptions(harmonics=(), gravity=gravity))
    result = self_test(bench)
    assert result.verdict == "passed", result
    assert [axis.axis for axis in result.axes] == ["x", "y", "z"]
    assert all(abs(axis.change_g) > 0.1 for axis in result.axes)
    assert bench.chip.asleep


@pytest.mark.parametrize("name", SELF_TESTING)
def test_a_chip_whose_proof_mass_is_stuck_fails_its_self_test(bus, name):
    bench = Bench(bus, name, AT_REST)
    bench.chip.self_test_fails = True
    result = self_test(bench)
    assert result.verdict == "failed"
    assert "x and y and z" in result.why
    assert all(abs(axis.change_g) < 0.02 for axis in result.axes)


@pytest.mark.parametrize("name", SELF_TESTING)
def test_a_frozen_chip_fails_its_self_test(bus, name):
    bench = Bench(bus, name, AT_REST)
    bench.chip.frozen = True
    assert self_test(bench).verdict == "failed"


@pytest.mark.parametrize("name", SELF_TESTING)
def test_a_self_test_on_a_running_machine_is_undecided(bus, name):
    bench = Bench(bus, name)
    bench.chip.self_test_fails = True
    result = self_test(bench)
    assert result.verdict == "undecided"
    assert "stop the machine" in result.why


@pytest.mark.parametrize("name", SELF_TESTING)
def test_a_self_test_does_not_affect_the_next_start(bus, name):
    bench = Bench(bus, name, AT_REST)
    bench.driver.start()
    bench.driver.stop()
    self_test(bench)
    bench.driver.start()
    level = bench.run(0.5)[-1].samples.mean(axis=0)
    np.testing.assert_allclose(level, (0, 0, 1), atol=0.02)


@pytest.mark.parametrize("name", SELF_TESTING)
def test_the_next_start_ends_an_interrupted_self_test(bus, name):
    bench = Bench(bus, name, AT_REST)
    waits = iter(range(40))

    def unplug(seconds):
        bench.bus.wait(seconds)
        bench.chip.absent = next(waits, None) is None  # in the second half

    with pytest.raises(BusError):
        module(name).self_test(bench.connect(bench.options, name), unplug)
    bench.chip.absent = False
    bench.driver.start()
    level = bench.run(0.5)[-1].samples.mean(axis=0)
    np.testing.assert_allclose(level, (0, 0, 1), atol=0.02)

"""The drivers of FIFO accelerometers, each with the numbers of its own data sheet.

What every chip must do whatever its numbers are is in contracts/test_chips.py, the
chips' own behaviour in unit/sim/.
"""

import importlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.acquisition import invensense
from sensorml.buses.i2c import I2cConnection
from sensorml.buses.i2c_dev import TIMEOUT_S
from sensorml.drivers import adxl343, adxl345, mpu6500, mpu9250
from sensorml.errors import BusError, SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.machine import Machine, MachineOptions

STILL = MachineOptions(harmonics=(), noise_g=0.0, gravity=(0.5, -0.25, 1.0))


def little_endian(counts):
    return np.array(counts, "<i2").tobytes()


def big_endian(counts):
    return np.array(counts, ">i2").tobytes()


def left_justified_12_bits(counts):
    return (np.array(counts, "<i2") << 4).tobytes()


def left_justified_14_bits(counts):
    return (np.array(counts, "<i2") << 2).tobytes()


def marked_20_bits(counts):
    """Encode rows as an ADXL355 does: 3 bytes an axis, x with the mark in bit 0."""
    return b"".join(
        (count << 4 | mark).to_bytes(4, "big", signed=True)[1:]
        for row in counts
        for count, mark in zip(row, (1, 0, 0), strict=True)
    )


def marked_12_bits(counts):
    """Encode rows as an ADXL372 does, with the mark of x taken off."""
    return (np.array(counts, ">i2") << 4).astype(">i2").tobytes()


@dataclass(frozen=True)
class DataSheet:
    """The numbers of one chip."""

    address: int
    data: int
    """The register that the FIFO is read from, as it is on the wire."""
    bits: int
    encode: Callable
    counts_per_g: dict
    """By full scale in g."""
    rows: int
    """The contents of the FIFO."""
    bytes_per_row: int
    """The least on the wire: the samples, and for some the addresses between them."""
    overhead: float = 1.1
    """The most bytes on the wire, as a multiple of the least."""
    watermark: bool = True
    """True where the FIFO counts rows; otherwise it is InvenSense's ring of bytes."""
    left: int = 0
    """The rows that a read leaves in the FIFO."""
    line_error: str = "nothing but"
    """The error when all samples are zeros or ones."""


ADXL345 = DataSheet(
    address=0x53,
    data=0x32,
    bits=13,
    encode=little_endian,
    counts_per_g=dict.fromkeys((2, 4, 8, 16), 256),
    rows=32,
    bytes_per_row=1 + 1 + 1 + 6,  # two addresses, a register, a sample
)
MPU6500 = DataSheet(
    address=0x68,
    data=0x74,
    bits=16,
    encode=big_endian,
    counts_per_g={2: 16384, 4: 8192, 8: 4096, 16: 2048},
    rows=512 // 6,
    bytes_per_row=6,
    watermark=False,
)
DATA_SHEETS = {
    "adxl343": ADXL345,
    "adxl345": ADXL345,
    "adxl355": DataSheet(
        address=0x1D,
        data=0x11,
        bits=20,
        encode=marked_20_bits,
        counts_per_g={2: 256_000, 4: 128_000, 8: 64_000},
        rows=32,
        bytes_per_row=9,
        line_error="the FIFO's entries are not",
    ),
    "adxl372": DataSheet(
        address=0x1D,
        data=0x42,
        bits=12,
        encode=marked_12_bits,
        counts_per_g={200: 10},
        rows=169,
        bytes_per_row=6,
        left=1,
        line_error="the FIFO's entries are not",
    ),
    "bmi160": DataSheet(
        address=0x68,
        data=0x24,
        bits=16,
        encode=little_endian,
        counts_per_g={2: 16384, 4: 8192, 8: 4096, 16: 2048},
        rows=170,
        bytes_per_row=6,
    ),
    "icm20948": DataSheet(**{**vars(MPU6500), "data": 0x72}),
    "icm42688": DataSheet(
        address=0x68,
        data=0x30,
        bits=16,
        encode=big_endian,
        counts_per_g={2: 16384, 4: 8192, 8: 4096, 16: 2048},
        rows=256,
        bytes_per_row=8,
        line_error="the FIFO's packets have the headers of others",
    ),
    "kx134": DataSheet(
        address=0x1F,
        data=0x63,
        bits=16,
        encode=little_endian,
        counts_per_g={8: 4096, 16: 2048, 32: 1024, 64: 512},
        rows=86,
        bytes_per_row=6,
        overhead=1.05,
    ),
    "lis2dw12": DataSheet(
        address=0x18,
        data=0x28,
        bits=14,
        encode=left_justified_14_bits,
        counts_per_g={g: 1e3 / (0.122 * g) for g in (2, 4, 8, 16)},
        rows=32,
        bytes_per_row=6,
    ),
    "lis3dh": DataSheet(
        address=0x18,
        data=0x28 | 0x80,
        bits=12,
        encode=left_justified_12_bits,
        counts_per_g={2: 1000, 4: 500, 8: 250, 16: 1000 / 12},
        rows=32,
        bytes_per_row=6,
    ),
    "mpu6050": DataSheet(**{**vars(MPU6500), "rows": 1024 // 6}),
    "mpu6500": MPU6500,
    "mpu9250": MPU6500,
}
WITH_WATERMARK = [name for name, sheet in DATA_SHEETS.items() if sheet.watermark]
RINGS = [name for name, sheet in DATA_SHEETS.items() if not sheet.watermark]
FASTEST_HZ = {"mpu6050": 1000, "mpu6500": 4000, "mpu9250": 4000, "icm20948": 4500}


class Clock:
    now = 10**12

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += round(seconds * 1e9)


class Bench:
    """A driver and its simulated chip, alone on a bus."""

    def __init__(self, name, machine=None, rate_error=0.0, **options):
        self.sheet = DATA_SHEETS[name]
        self.clock = Clock()
        machine = Machine(machine or MachineOptions())
        simulated = importlib.import_module(f"sensorml.sim.chips.{name}")
        self.chip = simulated.Chip(machine, self.clock, rate_error=rate_error)
        self.bus = SimBus({self.sheet.address: self.chip})
        module = importlib.import_module(f"sensorml.drivers.{name}")
        self.options = module.Options(bus="sim", **options)
        self.names = []
        self.driver = module.Driver(self.options, self.connect, self.clock)

    def connect(self, options, chip):
        self.names.append(chip)
        return I2cConnection(self.bus, options, chip)

    def run(self, reads):
        """Read at the driver's own pace; return the blocks."""
        blocks = []
        for _ in range(reads):
            self.clock.wait(self.driver.period_s)
            blocks.append(self.driver.read())
        return [block for block in blocks if block is not None]

    def wait_rows(self, rows):
        self.clock.wait((rows + 0.5) / self.options.rate_hz)

    def replace_answers(self, register, change):
        """Let `change` make another answer of each that a register gives."""
        transfer = self.bus.transfer

        def changed(address, messages):
            answer = transfer(address, messages)
            return change(answer) if messages[0] == bytes([register]) else answer

        self.bus.transfer = changed
        return transfer


def rates(name):
    module = importlib.import_module(f"sensorml.drivers.{name}")
    return get_args(get_type_hints(module.Options)["rate_hz"])


def near_gravity(block):
    return np.abs(block.samples - (0, 0, 1)).max() < 0.5


@pytest.fixture(params=DATA_SHEETS)
def name(request):
    return request.param


@pytest.mark.parametrize("name", DATA_SHEETS)
@given(st.data())
def test_decode_returns_the_counts_that_the_chip_encoded(name, data):
    sheet = DATA_SHEETS[name]
    count = st.integers(-(2 ** (sheet.bits - 1)), 2 ** (sheet.bits - 1) - 1)
    counts = data.draw(st.lists(st.tuples(*[count] * 3), min_size=1, max_size=170))
    range_g = data.draw(st.sampled_from(sorted(sheet.counts_per_g)))
    # A driver without a decoder of its own has that of its family.
    module = importlib.import_module(f"sensorml.drivers.{name}")
    decode = getattr(module, "decode", invensense.decode)
    one_scale = len(set(sheet.counts_per_g.values())) == 1
    raw = sheet.encode(counts)
    samples = decode(raw) if one_scale else decode(raw, range_g)
    assert samples.dtype == np.float32
    scaled = samples * np.float64(sheet.counts_per_g[range_g])
    np.testing.assert_allclose(scaled, counts, rtol=0, atol=0.05)


def test_a_read_is_two_transfers_and_the_wire_carries_nearly_only_samples(name):
    bench = Bench(name)
    bench.driver.start()
    bytes_before, transfers = bench.bus.wire_bytes, bench.bus.transfers
    rows = sum(len(block.samples) for block in bench.run(100))
    assert bench.bus.transfers - transfers == 200
    least = rows * bench.sheet.bytes_per_row
    assert bench.bus.wire_bytes - bytes_before < bench.sheet.overhead * least


def test_the_fifo_is_read_before_it_is_half_full(name):
    for rate_hz in rates(name):
        bench = Bench(name, rate_hz=rate_hz)
        assert rate_hz * bench.driver.period_s < bench.sheet.rows / 2


def test_the_bus_and_the_errors_name_the_driver(name):
    bench = Bench(name)
    with pytest.raises(BusError, match=f"{name}: not started"):
        bench.driver.read()
    bench.driver.start()
    bench.driver.stop()
    assert bench.names == [name]


@pytest.mark.parametrize("level", [0x00, 0xFF])
def test_a_dead_data_line_is_an_error_and_no_sample(name, level):
    bench = Bench(name)
    bench.driver.start()
    bench.clock.wait(0.02)
    bench.replace_answers(bench.sheet.data, lambda raw: bytes([level]) * len(raw))
    where = f"{name} at {bench.sheet.address:#04x} on i2c-sim: {bench.sheet.line_error}"
    with pytest.raises(SensorError, match=where):
        bench.driver.read()


@pytest.mark.parametrize("name", ["kx134", "lis3dh"])
def test_a_data_line_that_is_open_from_the_count_on_is_an_error(name):
    bench = Bench(name)
    bench.driver.start()
    bench.clock.wait(0.02)
    bench.chip.stuck = 0xFF
    with pytest.raises(SensorError, match="on i2c-sim: nothing but"):
        bench.driver.read()


@pytest.mark.parametrize(
    ("name", "counts_per_g"), [("adxl345", 256), ("mpu6050", 2048)]
)
def test_samples_of_nothing_but_ones_are_an_error(name, counts_per_g):
    gravity = (-1 / counts_per_g,) * 3
    bench = Bench(name, MachineOptions(harmonics=(), noise_g=0.0, gravity=gravity))
    bench.driver.start()
    bench.clock.wait(0.02)
    with pytest.raises(SensorError, match="on i2c-sim: nothing but 0xff"):
        bench.driver.read()


def test_a_start_that_fails_at_any_transfer_can_be_stopped_and_repeated(name):
    bench = Bench(name)
    bench.driver.start()
    for good in range(bench.bus.transfers):
        bench = Bench(name)
        transfer = bench.bus.transfer

        def loose(address, messages, bench=bench, good=good, transfer=transfer):
            bench.chip.absent = bench.bus.transfers == good
            return transfer(address, messages)

        bench.bus.transfer = loose
        with pytest.raises(BusError):
            bench.driver.start()
        bench.driver.stop()
        assert bench.chip.asleep
        bench.driver.start()
        assert bench.run(5)


def test_every_rate_can_follow_every_other(name):
    bench = Bench(name)
    for rate_hz in itertools.chain(rates(name), reversed(rates(name))):
        driver = type(bench.driver)(
            type(bench.options)(bus="sim", rate_hz=rate_hz), bench.connect, bench.clock
        )
        driver.start()
        before = bench.chip.converter.taken
        bench.clock.wait(0.9)
        bench.bus.transfer(bench.sheet.address, [b"\x00", 1])
        taken = bench.chip.converter.taken - before
        assert taken == pytest.approx(0.9 * rate_hz, abs=1)
        driver.stop()


class TestFifosOfRows:
    """FIFOs that count rows, and keep the newest when they are full."""

    @pytest.mark.parametrize("name", WITH_WATERMARK)
    def test_every_level_is_read_whole(self, name):
        full = DATA_SHEETS[name].rows
        rate_hz = 400 if 400 in rates(name) else 500
        for rows in (1, 2, full // 2 - 1, full // 2, full - 2, full - 1, full):
            bench = Bench(name, rate_hz=rate_hz)
            bench.driver.start()
            bench.wait_rows(rows + bench.sheet.left)
            assert len(bench.driver.read().samples) == rows
            assert bench.driver.read() is None

    @pytest.mark.parametrize("name", WITH_WATERMARK)
    def test_one_that_is_just_full_has_lost_nothing(self, name):
        bench = Bench(name)
        bench.driver.start()
        bench.run(100)
        bench.wait_rows(bench.sheet.rows)
        block = bench.driver.read()
        assert len(block.samples) == bench.sheet.rows
        assert block.missed <= 1
        bench.wait_rows(bench.sheet.rows + 100)
        assert bench.driver.read().missed == pytest.approx(100, abs=1)


class TestRingsOfBytes:
    """InvenSense's FIFOs, which overwrite their oldest byte when they are full."""

    @pytest.mark.parametrize("name", RINGS)
    @pytest.mark.parametrize("rate_error", [-0.01, 0.01])
    def test_the_highest_rate_gives_whole_rows(self, name, rate_error):
        rate_hz = FASTEST_HZ[name]
        bench = Bench(name, rate_hz=rate_hz, rate_error=rate_error)
        bench.driver.start()
        wire_bytes = bench.bus.wire_bytes
        blocks = bench.run(1000)
        true_hz = rate_hz * (1 + rate_error)
        assert blocks[-1].rate_hz == pytest.approx(true_hz, rel=1e-4)
        rows = sum(len(block.samples) for block in blocks)
        assert rows == pytest.approx(bench.chip.converter.taken, abs=1)
        assert bench.bus.wire_bytes - wire_bytes < 1.1 * rows * 6
        times_ns = bench.chip.converter.times_ns(0, 20) - bench.chip.converter.born_ns
        truth = Machine(MachineOptions()).acceleration(times_ns / 1e9)
        np.testing.assert_allclose(blocks[0].samples[:20], truth, atol=0.001)

    @pytest.mark.parametrize(
        ("name", "rate_hz"), [*FASTEST_HZ.items(), ("mpu6500", 1000)]
    )
    def test_an_overflow_is_counted_and_whole_rows_follow(self, name, rate_hz):
        bench = Bench(name, STILL, rate_hz=rate_hz)
        bench.driver.start()
        before = bench.run(100)
        bench.clock.wait(0.5)
        assert bench.driver.read() is None
        after = bench.run(20)
        assert after[0].missed == pytest.approx(0.5 * rate_hz, abs=2)
        for block in after:
            assert np.all(block.samples == (0.5, -0.25, 1.0))
        rows = sum(len(block.samples) + block.missed for block in before + after)
        assert rows == pytest.approx(bench.chip.converter.taken, abs=1)

    @pytest.mark.parametrize("name", RINGS)
    def test_what_comes_after_an_overflow_is_read_from_an_empty_fifo(self, name):
        bench = Bench(name)
        bench.driver.start()
        bench.run(100)
        bench.clock.wait(0.5)
        assert bench.driver.read() is None
        bench.wait_rows(20)
        block = bench.driver.read()
        assert len(block.samples) == pytest.approx(20, abs=1)
        assert block.missed == pytest.approx(0.5 * bench.options.rate_hz, abs=1)
        assert near_gravity(block)

    @pytest.mark.parametrize("name", RINGS)
    def test_a_full_fifo_is_read_in_transfers_that_end_in_time(self, name):
        bench = Bench(name)
        bench.driver.start()
        rows = bench.sheet.rows - 5
        bench.wait_rows(rows)
        transfer, lengths = bench.bus.transfer, []

        def measured(address, messages):
            lengths.extend(m for m in messages if isinstance(m, int))
            return transfer(address, messages)

        bench.bus.transfer = measured
        block = bench.driver.read()
        assert len(block.samples) == pytest.approx(rows, abs=1)
        assert near_gravity(block)
        assert max(lengths) * 9 / 100_000 < TIMEOUT_S / 2

    @pytest.mark.parametrize("name", RINGS)
    def test_rows_overwritten_between_count_and_burst_are_no_block(self, name):
        bench = Bench(name)
        bench.driver.start()
        bench.wait_rows(bench.sheet.rows - 20)
        transfer = bench.bus.transfer

        def late(address, messages):
            if messages[0] == bytes([bench.sheet.data]):
                bench.clock.wait(0.1)
            return transfer(address, messages)

        bench.bus.transfer = late
        assert bench.driver.read() is None
        bench.bus.transfer = transfer
        blocks = bench.run(20)
        assert len(blocks) == 20
        assert all(near_gravity(block) for block in blocks)
        assert blocks[0].missed > 0

    @pytest.mark.parametrize("name", RINGS)
    def test_a_row_that_is_being_written_is_left_for_the_next_read(self, name):
        bench = Bench(name)
        bench.driver.start()
        bench.wait_rows(10)
        level = bench.sheet.data - 2
        transfer = bench.replace_answers(
            level, lambda raw: (int.from_bytes(raw, "big") + 2).to_bytes(2, "big")
        )
        assert len(bench.driver.read().samples) == 10
        bench.bus.transfer = transfer
        bench.clock.wait(10 / bench.options.rate_hz)
        block = bench.driver.read()
        assert len(block.samples) == 10
        assert block.missed == 0


class TestTwins:
    """Drivers that share the code of another chip."""

    @pytest.mark.parametrize(
        ("name", "other"), [("mpu6500", "mpu9250"), ("mpu9250", "mpu6500")]
    )
    def test_mpu6500_and_mpu9250_differ_by_their_identity(self, name, other):
        assert Bench(name).driver.start() is None
        bench = Bench(name)
        bench.bus.chips[0x68] = Bench(other).chip
        assert "identity register 0x75" in bench.driver.start()

    def test_the_mpu9250_has_the_rates_of_the_mpu6500_and_its_own_options(self):
        assert rates("mpu9250") == rates("mpu6500")
        assert mpu9250.Options.__doc__ != mpu6500.Options.__doc__

    def test_rows_and_options_of_the_adxl343_are_those_of_the_adxl345(self):
        one_g = bytes([0x00, 0x00, 0x00, 0x00, 0x00, 0x01])
        assert adxl343.decode(one_g).tolist() == [[0.0, 0.0, 1.0]]
        assert adxl343.channels(adxl343.Options()) == adxl345.CHANNELS
        assert adxl343.Options().address == 0x53


class TestFilters:
    """The widest filter that ends below half the rate."""

    # Upper ends in Hz by A_DLPF_CFG, 8 for none: register 29 of the MPU-6500 (Rev.
    # 2.1) and of the MPU-9250 (Rev. 1.6), which differ about the same silicon.
    MPU_HZ = (
        (460, 184, 92, 41, 20, 10, 5, 460, 1130),
        (218.1, 218.1, 99.0, 44.8, 21.2, 10.2, 5.05, 420, 1046),
    )
    # Upper ends in Hz by ACCEL_DLPFCFG: ICM-20948 data sheet, section 10.15.
    ICM_HZ = (246.0, 246.0, 111.4, 50.4, 23.9, 11.5, 5.7, 473)

    @pytest.mark.parametrize("rate_hz", rates("mpu6500"))
    def test_of_an_mpu6500(self, rate_hz):
        bench = Bench("mpu6500", rate_hz=rate_hz)
        bench.driver.start()
        chosen = bench.bus.transfer(0x68, [b"\x1d", 1])[0]
        for ends_hz in self.MPU_HZ:
            usable = ends_hz[: 9 if rate_hz > 1000 else 8]
            assert ends_hz[chosen] == max(hz for hz in usable if hz < rate_hz / 2)

    @pytest.mark.parametrize("rate_hz", rates("icm20948"))
    def test_of_an_icm20948(self, rate_hz):
        bench = Bench("icm20948", rate_hz=rate_hz)
        bench.driver.start()
        bench.bus.transfer(0x68, [b"\x7f\x20"])
        chosen = bench.bus.transfer(0x68, [b"\x14", 1])[0]
        if rate_hz == 4500:
            assert not chosen & 0x01
        else:
            assert chosen & 0x01
            usable = [hz for hz in self.ICM_HZ if hz < rate_hz / 2]
            assert self.ICM_HZ[chosen >> 3 & 7] == max(usable)


class TestAdxl355:
    """Entries of one axis, of which three are a row, with a mark on x."""

    @pytest.mark.parametrize("entries", [1, 2])
    def test_a_fifo_that_begins_within_a_row_is_read_from_the_next_x_on(self, entries):
        bench = Bench("adxl355", rate_hz=1000)
        bench.driver.start()
        bench.clock.wait(0.0105)
        bench.bus.transfer(0x1D, [b"\x11", 3 * entries])
        assert len(bench.driver.read().samples) == 9
        bench.clock.wait(0.01)
        block = bench.driver.read()
        assert len(block.samples) == 10
        assert near_gravity(block)

    @pytest.mark.parametrize("entries", [1, 2])
    def test_a_row_that_is_being_written_is_returned_once_it_is_whole(self, entries):
        bench = Bench("adxl355", rate_hz=1000)
        bench.driver.start()
        bench.clock.wait(0.0105)
        transfer = bench.replace_answers(0x05, lambda _: bytes([27 + entries]))
        assert len(bench.driver.read().samples) == 9
        bench.bus.transfer = transfer
        block = bench.driver.read()
        assert len(block.samples) == 1
        assert near_gravity(block)

    def test_a_piece_of_a_row_alone_is_no_block(self):
        bench = Bench("adxl355", rate_hz=1000)
        bench.driver.start()
        bench.clock.wait(0.0015)
        bench.bus.transfer(0x1D, [b"\x11", 3])
        assert bench.driver.read() is None
        bench.clock.wait(0.001)
        assert near_gravity(bench.driver.read())


class TestAdxl372:
    """A FIFO of axes, in which a read leaves a row."""

    def test_a_read_leaves_the_newest_row_and_is_dated_accordingly(self):
        bench = Bench("adxl372")
        bench.driver.start()
        bench.wait_rows(10)
        block = bench.driver.read()
        assert len(block.samples) == 9
        assert bench.bus.transfer(0x1D, [b"\x06", 2]) == b"\x00\x03"
        assert block.age_ns >= 1e9 / block.rate_hz

    def test_entries_that_are_not_x_y_and_z_in_turn_are_an_error(self):
        bench = Bench("adxl372")
        bench.driver.start()
        bench.wait_rows(10)
        bench.replace_answers(0x42, lambda raw: raw[2:] + raw[:2])
        with pytest.raises(SensorError, match="not X, Y and Z in turn"):
            bench.driver.read()


@pytest.mark.parametrize(
    ("mode", "step_g"), [("high_resolution", 0.001), ("normal", 0.004)]
)
def test_both_modes_of_a_lis3dh_give_the_same_g_in_their_own_steps(mode, step_g):
    bench = Bench("lis3dh", mode=mode, range_g=2)
    bench.driver.start()
    bench.clock.wait(0.02)
    samples = bench.driver.read().samples
    assert samples[:, 2].mean() == pytest.approx(1.0, abs=0.15)
    steps = samples / step_g
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)

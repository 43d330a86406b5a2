"""One row at a time: the time of a row, what was left out, settings that stick."""

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SECOND, Clock

from sensorml.acquisition.polled import PolledChip, PolledOptions, PolledRows
from sensorml.buses.i2c import I2cConnection
from sensorml.errors import BusError, SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.wide import WideChip


class Chip(WideChip):
    RESET: ClassVar = {0x00: b"\x12\x34", 0x01: b"\x00", 0x20: b"\xaa\xbb\xcc"}
    READ_ONLY: ClassVar = frozenset({0x00})


def opened(chip):
    options = PolledOptions(bus="sim", address=0x40)
    bus = SimBus({0x40: chip})
    polled = PolledChip(options, "chip", lambda o, c: I2cConnection(bus, o, c), Clock())
    polled.open()
    return polled


@given(
    st.floats(0.1, 10),
    st.lists(st.tuples(st.integers(0, 5), st.floats(-0.04, 0.04)), max_size=20),
)
def test_rows_and_missed_rows_are_the_periods_that_have_passed(rate_hz, visits):
    clock = Clock()
    rows = PolledRows(rate_hz, clock)
    begun = clock.now_ns
    rows.row((0.0,))
    period = told = 0
    for skipped, late in visits:
        period += skipped + 1
        clock.now_ns = begun + round((period + late) * SECOND / rate_hz)
        told += rows.row((0.0,)).missed + 1
    assert told == period


@pytest.mark.parametrize(("after_s", "missed"), [(0.3, 0), (0.95, 0), (1.8, 0), (2, 1)])
def test_a_visit_that_is_early_or_late_has_missed_only_whole_periods(after_s, missed):
    clock = Clock()
    rows = PolledRows(1.0, clock)
    rows.row((0.0,))
    clock.advance(after_s)
    assert rows.row((0.0,)).missed == missed


@given(st.lists(st.floats(0, 0.84), max_size=20))
def test_a_late_visit_is_not_taken_for_a_missed_one(lateness):
    clock = Clock()
    begun = clock.now_ns
    rows = PolledRows(2.0, clock)
    for i, late in enumerate(lateness):
        clock.now_ns = begun + round((i + late) * SECOND / 2)
        assert rows.row((0.0,)).missed == 0


@given(st.integers(0, 5), st.floats(-0.04, 0.84))
def test_jitter_is_how_far_a_row_is_from_the_time_it_was_due(skipped, late):
    clock = Clock()
    rows = PolledRows(2.0, clock)
    assert rows.row((0.0,)).jitter_ns == 0
    clock.advance((skipped + 1 + late) / 2)
    block = rows.row((0.0,))
    assert block.missed == skipped
    assert block.jitter_ns == pytest.approx(late * SECOND / 2, abs=2)


def test_a_row_at_full_scale_is_named():
    rows = PolledRows(1.0, Clock())
    assert rows.row((1.0, 2.0), clipped=True).clipped.tolist() == [0]
    assert rows.row((1.0, 2.0)).clipped.tolist() == []


def test_a_register_of_any_width_is_set_and_compared():
    chip = Chip()
    polled = opened(chip)
    polled.configure({0x20: b"\x01\x02\x03", 0x01: b"\x7f"})
    assert polled.row((1.0,)).samples.tolist() == [[1.0]]
    chip.held[0x20] = b"\x01\x02\x04"
    with pytest.raises(SensorError, match="0x20 was set to 010203 and reads 010204"):
        polled.row((1.0,))


def test_a_setting_that_does_not_stick_is_an_error():
    with pytest.raises(SensorError, match="0x00 was set to 0000 and reads 1234"):
        opened(Chip()).configure({0x00: b"\x00\x00"})


def test_closing_writes_the_registers_for_sleep_even_if_the_chip_does_not_answer():
    chip = Chip()
    polled = opened(chip)
    polled.close({0x01: b"\x01"})
    assert chip.held[0x01] == b"\x01"
    polled.open()
    chip.absent = True
    polled.close({0x01: b"\x00"})
    with pytest.raises(BusError, match="chip: not started"):
        _ = polled.bus


def test_a_read_repeats_the_register_that_was_pointed_at():
    chip = Chip()
    chip.write(b"\x20")
    assert chip.read(5) == b"\xaa\xbb\xcc\xaa\xbb"
    chip.write(b"\x77")
    assert chip.read(2) == b"\xff\xff"  # there is no such register
    chip.write(b"\x20\x01")  # breaks off
    chip.write(b"\x20")
    assert chip.read(3) == b"\xaa\xbb\xcc"

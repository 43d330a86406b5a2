"""Simulated chips with a FIFO, byte by byte, as their data sheets have them.

ADXL345 and MPU-6050 are in test_chips.py.
"""

import struct

import pytest

from sensorml.sim.chips import adxl355, icm20948, kx134, lis3dh, mpu6500
from sensorml.sim.machine import Machine, MachineOptions

STILL = MachineOptions(harmonics=(), noise_g=0.0, gravity=(0.5, -0.25, 1.0))
MOVING = MachineOptions()


class Wired:
    """One chip, its registers and its clock."""

    def __init__(self, module, machine=STILL):
        self.now_ns = 10**12
        self.chip = module.Chip(Machine(machine), lambda: self.now_ns)

    def wait(self, seconds):
        self.now_ns += round(seconds * 1e9)

    def get(self, register, length=1):
        self.chip.write(bytes([register]))
        return self.chip.read(length)

    def put(self, register, value):
        self.chip.write(bytes([register, value]))


class TestAdxl355:
    """At 1000 Hz."""

    STILL_ROW = bytes.fromhex("1f4001 f06000 3e8000")  # at ±2 g

    def start(self, machine=STILL):
        wired = Wired(adxl355, machine)
        wired.put(0x28, 2)
        wired.put(0x2D, 0x00)
        return wired

    def test_it_marks_x_and_an_entry_that_was_not_there(self):
        wired = self.start()
        wired.wait(0.0021)
        assert wired.get(0x05) == bytes([6])
        assert wired.get(0x11, 18) == self.STILL_ROW * 2
        assert wired.get(0x05) == bytes([0])
        assert wired.get(0x11, 3)[2] & 0x02

    def test_it_drops_whole_rows_and_keeps_the_newest(self):
        wired = self.start(MOVING)
        wired.wait(0.0321)
        wired.get(0x05)
        wired.wait(0.005)
        assert wired.get(0x05) == bytes([96])
        newest = wired.get(0x08, 9)
        rows = wired.get(0x11, 288)
        assert rows[2] & 0x01
        assert rows[-6:] == newest[-6:]

    def test_it_is_reset_by_its_code_only(self):
        wired = self.start()
        wired.put(0x2F, 0x51)
        assert wired.get(0x2D) == b"\x00"
        wired.put(0x2F, 0x52)
        assert wired.get(0x2D) == b"\x01"
        assert wired.get(0x28) == b"\x00"
        assert wired.get(0x00, 3) == bytes([0xAD, 0x1D, 0xED])


class TestKx134:
    """At 800 Hz."""

    def start(self, machine=STILL, *, buffer=0xC1):
        wired = Wired(kx134, machine)
        wired.put(0x21, 0x0A)
        wired.put(0x5F, buffer)
        wired.put(0x1B, 0xC0)
        return wired

    def level(self, wired):
        return int.from_bytes(wired.get(0x60, 2), "little")

    def test_it_counts_bytes_in_two_registers_and_returns_the_oldest_first(self):
        wired = self.start(MOVING)
        wired.wait(50.5 / 800)
        assert self.level(wired) == 300
        newest = wired.get(0x08, 6)
        rows = wired.get(0x63, 300)
        assert rows[-6:] == newest
        assert len({rows[i : i + 6] for i in range(0, 300, 6)}) > 40
        assert self.level(wired) == 0

    def test_stream_mode_keeps_the_newest_and_fifo_mode_the_oldest(self):
        oldest = []
        for mode in (0xC1, 0xC0):
            wired = self.start(MOVING, buffer=mode)
            wired.wait(1.5 / 800)
            wired.get(0x13)
            wired.wait(1 / 800)
            for _ in range(100):
                wired.get(0x13)
                wired.wait(1 / 800)
            assert self.level(wired) == 516
            oldest.append(wired.get(0x63, 6))
        wired = self.start(MOVING)
        wired.wait(1.5 / 800)
        first = wired.get(0x63, 6)
        assert oldest[1] == first
        assert oldest[0] != first

    def test_it_takes_settings_in_standby_only(self):
        wired = self.start()
        wired.put(0x5F, 0x00)
        wired.put(0x21, 0x06)
        wired.wait(8.5 / 800)
        assert self.level(wired) == 48
        assert wired.get(0x63, 6) == struct.pack("<3h", 2048, -1024, 4096)
        wired.put(0x62, 0x00)
        assert self.level(wired) == 0
        assert wired.get(0x12, 2) == b"\x55\x46"


class TestLis3dh:
    """At 400 Hz."""

    def start(self, machine=STILL, *, ctrl_reg4=0x08, fifo=0x80):
        wired = Wired(lis3dh, machine)
        for register, value in (
            (0x23, ctrl_reg4),
            (0x24, 0x40),
            (0x2E, fifo),
            (0x20, 0x77),
        ):
            wired.put(register, value)
        return wired

    def test_its_address_advances_only_when_bit_7_asks_for_it(self):
        wired = self.start()
        wired.wait(0.0051)
        row = struct.pack("<3h", 500 << 4, -250 << 4, 1000 << 4)
        assert wired.get(0xA8, 12) == row * 2  # back to X after Z
        assert wired.get(0x0F, 3) == b"\x33" * 3

    def test_it_counts_31_when_it_is_full_and_sets_the_overrun_bit(self):
        wired = self.start(fifo=0x80 | 10)
        assert wired.get(0x2F) == bytes([0x20])
        wired.wait(10.5 / 400)
        assert wired.get(0x2F) == bytes([10])
        wired.wait(1 / 400)
        assert wired.get(0x2F) == bytes([0x80 | 11])
        wired.wait(20 / 400)
        assert wired.get(0x2F) == bytes([0x80 | 31])
        wired.wait(1 / 400)
        assert wired.get(0x2F) == bytes([0x80 | 0x40 | 31])

    def test_it_keeps_the_oldest_in_fifo_mode_and_bypass_empties_it(self):
        wired = self.start(MOVING, fifo=0x40)
        wired.wait(0.0026)
        first = wired.get(0xA8, 6)
        wired = self.start(MOVING, fifo=0x40)
        for _ in range(100):
            wired.wait(1 / 400)
            wired.get(0x2F)
        assert wired.get(0xA8, 6) == first
        wired.put(0x2E, 0x00)
        assert wired.get(0x2F) == bytes([0x20])

    def test_it_drops_the_lowest_two_bits_in_normal_mode(self):
        wired = self.start(MOVING, ctrl_reg4=0x00)
        wired.wait(0.0701)
        counts = struct.unpack("<84h", wired.get(0xA8, 168))
        assert not any(count & 0x3F for count in counts)
        assert len(set(counts)) > 10


class TestMpu6500:
    def test_a_gyroscope_that_is_on_holds_the_fifo_at_its_own_rate(self):
        wired = Wired(mpu6500, MOVING)
        for register, value in ((0x1A, 1), (0x1D, 0x08), (0x23, 0x08), (0x6A, 0x40)):
            wired.put(register, value)
        for gyros, rate_hz in ((0x00, 1000), (0x03, 1000), (0x07, 4000)):
            wired.put(0x6C, gyros)
            before = wired.chip.converter.taken
            wired.wait(1)
            wired.get(0x00)
            taken = wired.chip.converter.taken - before
            assert taken == pytest.approx(rate_hz, abs=1)

    def test_it_is_awake_after_power_on_and_its_fifo_is_empty(self):
        wired = Wired(mpu6500, MOVING)
        wired.wait(0.1)
        assert not wired.chip.asleep
        assert wired.get(0x6B) == b"\x01"
        assert wired.get(0x3B, 6) != bytes(6)
        assert wired.get(0x72, 2) == b"\x00\x00"


class InBanks(Wired):
    """An ICM-20948, whose registers are in four banks."""

    def __init__(self):
        super().__init__(icm20948)

    def get(self, register, length=1, bank=0):
        super().put(0x7F, bank << 4)
        return super().get(register, length)

    def put(self, register, value, bank=0):
        super().put(0x7F, bank << 4)
        super().put(register, value)

    def start(self):
        """Collect accelerations at 1125 Hz and ±2 g."""
        for register, value, bank in (
            (0x06, 0x01, 0),
            (0x07, 0x07, 0),
            (0x14, 0x39, 2),
            (0x68, 0x1F, 0),
            (0x68, 0x00, 0),
            (0x03, 0x40, 0),
            (0x67, 0x10, 0),
        ):
            self.put(register, value, bank)
        self.get(0x00)


class TestIcm20948:
    def test_banks_are_separate_and_the_selector_is_in_all_of_them(self):
        wired = InBanks()
        assert wired.get(0x06) == b"\x41"
        assert wired.get(0x14, bank=2) == b"\x01"
        wired.put(0x14, 0x13, bank=2)
        assert wired.get(0x14) == b"\x00"
        assert wired.get(0x14, bank=2) == b"\x13"
        for bank in range(4):
            assert wired.get(0x7F, bank=bank) == bytes([bank << 4])
        assert wired.get(0x00, bank=3) == b"\x00"
        assert wired.get(0x00) == b"\xea"

    def test_a_reset_selects_bank_0_and_forgets_all_banks(self):
        wired = InBanks()
        wired.put(0x14, 0x13, bank=2)
        wired.put(0x06, 0x80)
        assert wired.chip.asleep
        assert wired.get(0x7F) == b"\x00"
        assert wired.get(0x14, bank=2) == b"\x01"

    def test_the_fifo_stays_empty_while_its_reset_is_held(self):
        wired = InBanks()
        wired.start()
        wired.wait(0.0205)
        assert wired.get(0x70, 2) == (23 * 6).to_bytes(2, "big")
        wired.put(0x68, 0x1F)
        wired.wait(0.01)
        assert wired.get(0x70, 2) == b"\x00\x00"
        wired.put(0x68, 0x00)
        wired.wait(0.01)
        assert wired.get(0x70, 2) != b"\x00\x00"

    def test_an_overflow_is_reported_once_and_the_data_stay_readable(self):
        wired = InBanks()
        wired.start()
        wired.wait(1)
        assert wired.get(0x70, 2) == b"\x02\x00"
        assert wired.get(0x1B) == b"\x01"
        assert wired.get(0x1B) == b"\x00"
        assert wired.get(0x2D, 6) == bytes([0x20, 0x00, 0xF0, 0x00, 0x40, 0x00])

    def test_an_accelerometer_that_is_switched_off_samples_nothing(self):
        wired = InBanks()
        wired.start()
        wired.put(0x07, 0x3F)
        wired.wait(0.1)
        assert wired.get(0x70, 2) == b"\x00\x00"

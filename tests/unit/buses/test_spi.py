"""SPI: the bytes on the wires, the kernel's structs, and the drivers on them."""

import ctypes
import errno
import importlib
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.buses import spi
from sensorml.drivers import adxl345, adxl355, adxl372, max31855, max31865
from sensorml.errors import BusError, BusReason, SensorError
from sensorml.schema import Decoder
from sensorml.sim.chips import max31865 as max31865_chip
from sensorml.sim.machine import Machine, MachineOptions
from sensorml.types import SensorState


class Adxl345Wire:
    """Bit 7 reads, bit 6 goes on to the next register (data sheet, "SPI")."""

    mode = 3

    def __init__(self, chip):
        self.chip = chip

    def frame(self, sent):
        """Take one frame; return what the chip sends meanwhile."""
        register, count = sent[0] & 0x3F, len(sent) - 1
        if not sent[0] & 0x40:
            count = min(count, 1)
        if not sent[0] & 0x80:
            self.chip.write(bytes([register]) + sent[1 : 1 + count])
            return bytes(len(sent))
        self.chip.write(bytes([register]))
        return (b"\0" + self.chip.read(count)).ljust(len(sent), b"\0")


class Adxl355Wire(Adxl345Wire):
    """Bit 0 reads, the register is above it (data sheet, "SPI Protocol")."""

    mode = 0

    def frame(self, sent):
        register = sent[0] >> 1
        if not sent[0] & 1:
            self.chip.write(bytes([register]) + sent[1:])
            return bytes(len(sent))
        self.chip.write(bytes([register]))
        return b"\0" + self.chip.read(len(sent) - 1)


class Absent:
    """A chip select with nothing on it: the line floats high, or is pulled low."""

    def __init__(self, level=b"\xff"):
        self.level = level

    def frame(self, sent):
        return self.level * len(sent)


class Kernel:
    """spidev: reads and writes the memory that the structs point to."""

    def __init__(self, monkeypatch, tmp_path):
        self.node = tmp_path / "spidev0.0"
        self.node.touch()
        self.wire = Absent()
        self.error = None
        self.calls = []
        self.gaps = []
        self.settings = {}
        monkeypatch.setattr("fcntl.ioctl", self.ioctl)

    def ioctl(self, _fd, request, argument):
        if self.error is not None:
            raise OSError(self.error, "failed")
        assert request >> 8 & 0xFF == ord("k")
        assert request >> 16 & 0x3FFF == len(argument)
        if request & 0xFF:
            self.settings[request & 0xFF] = int.from_bytes(argument, "little")
            return
        frames = list(struct.iter_unpack("=QQIIHBBI", argument))
        for tx, rx, length, speed_hz, delay_us, bits, change, unused in frames:
            assert (speed_hz, bits, unused) == (0, 0, 0)
            self.gaps.append((delay_us, change))
            answer = self.wire.frame(ctypes.string_at(tx, length))
            ctypes.memmove(rx, answer, length)
        self.calls.append(len(frames))

    def connect(self, options, chip):
        framing = {"adxl355": adxl355.SPI, "adxl372": adxl372.SPI}.get(
            chip, adxl345.SPI
        )
        wire = spi.SpiDev(str(self.node), framing)
        return spi.SpiConnection(wire, framing, f"{chip} on {options.bus}")


class Clock:
    """A clock that is set by hand, and advances a little at every call."""

    def __init__(self):
        self.now = 10**12

    def __call__(self):
        self.now += 5_000
        return self.now


class Bench:
    """A driver and its simulated chip, with SPI between them."""

    def __init__(self, kernel, name, **options):
        wires = {"adxl355": Adxl355Wire, "adxl372": Adxl355Wire}
        module = importlib.import_module(f"sensorml.drivers.{name}")
        simulated = importlib.import_module(f"sensorml.sim.chips.{name}")
        self.name = name
        self.clock = Clock()
        self.machine = Machine(MachineOptions())
        self.chip = simulated.Chip(self.machine, self.clock)
        self.born_ns = self.chip.converter.born_ns
        kernel.wire = wires.get(name, Adxl345Wire)(self.chip)
        self.options = module.Options(bus="spi0.0", **options)
        self.driver = module.Driver(self.options, kernel.connect, self.clock)

    def run(self, seconds):
        end = self.clock.now + seconds * 1e9
        blocks = []
        while self.clock.now < end:
            self.clock.now += round(self.driver.period_s * 1e9)
            if (block := self.driver.read()) is not None:
                blocks.append(block)
        return blocks


@pytest.fixture
def kernel(monkeypatch, tmp_path):
    return Kernel(monkeypatch, tmp_path)


@pytest.fixture(
    params=[("adxl345", 3200), ("adxl343", 3200), ("adxl355", 4000), ("adxl372", 6400)]
)
def fastest(request, kernel):
    name, rate_hz = request.param
    return Bench(kernel, name, rate_hz=rate_hz)


def test_at_the_top_rate_every_sample_arrives_once_and_in_order(fastest):
    fastest.driver.start()
    blocks = fastest.run(2)
    got = np.concatenate([block.samples for block in blocks])
    assert len(got) > 1.9 * fastest.options.rate_hz
    times = fastest.chip.converter.times_ns(0, len(got))
    truth = fastest.machine.acceleration((times - fastest.born_ns) / 1e9)
    atol = 0.055 if fastest.name == "adxl372" else 0.01  # with half a step
    np.testing.assert_allclose(got, truth, atol=atol)
    assert all(block.missed == 0 for block in blocks)
    fastest.driver.stop()
    assert fastest.chip.asleep


def test_a_burst_is_one_system_call(fastest, kernel):
    fastest.driver.start()
    del kernel.calls[:]
    fastest.clock.now += round(20.5e9 / fastest.options.rate_hz)
    rows = len(fastest.driver.read().samples)
    each = 1 if fastest.name in {"adxl355", "adxl372"} else rows
    assert kernel.calls == [1, each]
    fastest.driver.stop()


def test_the_chip_is_set_to_its_mode(fastest, kernel):
    fastest.driver.start()
    assert kernel.settings == {1: kernel.wire.mode, 3: 8, 4: spi.SPEED_HZ}
    fastest.driver.stop()


def test_the_adxl345_is_deselected_for_5_us_between_the_entries_of_its_fifo(kernel):
    bench = Bench(kernel, "adxl345")
    bench.driver.start()
    del kernel.gaps[:]
    bench.clock.now += 5_000_000
    bench.driver.read()
    assert kernel.gaps == [(0, 0), (5, 1), (5, 1), (5, 1), (0, 0)]
    bench.driver.stop()


@pytest.mark.parametrize("level", [b"\xff", b"\x00"])
def test_a_chip_that_is_not_there_is_absent(fastest, kernel, level):
    kernel.wire = Absent(level)
    health = SensorHealth("vibration", stale_after_s=1)
    with pytest.raises(BusError, match=r"on spi0\.0: no chip .* wires of MISO") as err:
        fastest.driver.start()
    assert err.value.reason is BusReason.NOBODY
    health.failure(0, err.value)
    assert health.state is SensorState.ABSENT
    fastest.driver.stop()


def test_a_clone_with_another_identity_is_used_all_the_same(fastest):
    identity = 0x00 if fastest.options.rate_hz == 3200 else 0x02
    fastest.chip._registers[identity] = 0x42
    assert "is 0x42, not" in fastest.driver.start()
    fastest.driver.stop()


def test_a_chip_that_is_unplugged_while_it_runs_is_an_error(fastest, kernel):
    fastest.driver.start()
    fastest.run(0.1)
    kernel.wire = Absent()
    with pytest.raises(SensorError, match=r"nothing but 0xff|not X, Y and Z"):
        fastest.run(1)
    fastest.driver.stop()


@pytest.mark.parametrize(
    ("number", "reason", "cure"),
    [
        (errno.ESHUTDOWN, "no_adapter", "dmesg"),
        (errno.EINVAL, "unsupported", "by I2C"),
        (errno.EMSGSIZE, "unsupported", "bufsiz"),
        (errno.EACCES, "denied", "group spi"),
    ],
)
def test_every_failure_names_chip_and_cure(kernel, number, reason, cure):
    bench = Bench(kernel, "adxl345")
    bench.driver.start()
    kernel.error = number
    with pytest.raises(BusError, match=rf"adxl345 on spi0\.0: .*{cure}") as failure:
        bench.driver.read()
    assert (failure.value.errno, failure.value.reason) == (number, reason)
    bench.driver.stop()


def test_a_controller_that_cannot_do_the_mode_is_closed_again(kernel, monkeypatch):
    closed = []
    monkeypatch.setattr("os.open", lambda _node, _flags: 99)
    monkeypatch.setattr("os.close", closed.append)
    kernel.error = errno.EINVAL
    with pytest.raises(OSError, match="failed"):
        spi.SpiDev(str(kernel.node), adxl345.SPI)
    monkeypatch.undo()
    assert closed == [99]


@pytest.mark.skipif(Path("/dev/spidev250.0").exists(), reason="there is a bus 250")
def test_an_absent_bus_is_reported_with_the_way_to_enable_it():
    options = adxl345.Options(bus="spi250.0")
    with pytest.raises(BusError, match=r"spi250\.0: .*dtparam=spi=on") as failure:
        adxl345.SPI.connect(options, "adxl345")
    assert failure.value.reason is BusReason.NO_ADAPTER


def test_without_spi_in_its_name_the_bus_is_i2c():
    bus = adxl345.SPI.connect(adxl345.Options(bus="sim"), "adxl345")
    assert str(bus) == "adxl345 at 0x53 on i2c-sim"
    bus.close()


def test_chip_selects_of_one_controller_share_its_thread():
    assert adxl345.Options(bus="spi0.1").thread == "spi-0"
    assert adxl355.Options(bus="spi0.0").thread == "spi-0"
    assert adxl345.Options(bus=1).thread == "i2c-1"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"bus": "spi0"}, "bus: is 'spi0'"),
        ({"bus": "spi0.0", "address": 0x1D}, "address with SPI.*remove it"),
        ({"bus": "spi0.0", "mux": {"channel": 0}}, "mux with SPI"),
        ({"bus": "sim", "interrupt_gpio": 4}, "has no pin"),
    ],
)
def test_what_does_not_go_with_spi_is_found_before_any_hardware_is(table, words):
    decoder = Decoder("c.toml")
    decoder.table(table, adxl345.Options)
    with pytest.raises(ValueError, match=words):
        decoder.raise_if_any()


C_PROGRAM = r"""
#include <stddef.h>
#include <stdio.h>
#include <linux/spi/spidev.h>
#define AT(field) (int)offsetof(struct spi_ioc_transfer, field)
int main(void)
{
    printf("%d %d %d %d %d %d %d ", AT(tx_buf), AT(rx_buf), AT(len), AT(speed_hz),
           AT(delay_usecs), AT(bits_per_word), AT(cs_change));
    printf("%d ", (int)sizeof(struct spi_ioc_transfer));
    printf("%u %u ", (unsigned)SPI_IOC_MESSAGE(1), (unsigned)SPI_IOC_MESSAGE(32));
    printf("%u %u %u", (unsigned)SPI_IOC_WR_MODE,
           (unsigned)SPI_IOC_WR_BITS_PER_WORD, (unsigned)SPI_IOC_WR_MAX_SPEED_HZ);
    return 0;
}
"""


@pytest.mark.skipif(
    shutil.which("gcc") is None or not Path("/usr/include/linux/spi/spidev.h").exists(),
    reason="needs gcc and linux/spi/spidev.h: apt install gcc linux-libc-dev",
)
def test_struct_and_numbers_are_those_of_the_kernels_header(tmp_path):
    source, program = tmp_path / "layout.c", tmp_path / "layout"
    source.write_text(C_PROGRAM)
    subprocess.run(["gcc", "-o", program, source], check=True)
    said = subprocess.run([program], check=True, capture_output=True, text=True)
    *offsets, size, one, many, mode, bits, speed = map(int, said.stdout.split())
    layout = spi._TRANSFER.pack(*[1] * len(offsets), 0, 0, 0, 0)
    assert [i for i, byte in enumerate(layout) if byte] == offsets
    assert len(layout) == size
    assert (spi._message(1), spi._message(32)) == (one, many)
    numbers = (spi._WR_MODE, spi._WR_BITS_PER_WORD, spi._WR_MAX_SPEED_HZ)
    assert numbers == (mode, bits, speed)


def test_a_chip_on_spi_only_has_no_other_bus():
    for bus in (1, "usb:1-1.2", "spi0", "spi0.0x"):
        decoder = Decoder("box.toml")
        decoder.table({"bus": bus}, max31865.Options, "sensor[0]")
        assert [p.key for p in decoder.problems] == ["sensor[0].bus"]


def test_a_chip_select_is_the_same_claim_for_all_kinds_of_chips():
    both, only = adxl345.Options(bus="spi0.1"), max31865.Options(bus="spi0.1")
    assert [*both.claims()] == [*only.claims()]
    assert both.thread == only.thread == "spi-0"
    assert both.pi_lines == only.pi_lines == (7, 8, 9, 10, 11)


class Recorded:
    """A chip and the frames that it took."""

    def __init__(self, chip):
        self.chip = chip
        self.frames = []

    def frame(self, sent):
        self.frames.append(sent)
        return self.chip.frame(sent)


def polled(kernel, module):
    """Return a driver of a chip that has only SPI."""

    def connect(_options, chip):
        wire = spi.SpiDev(str(kernel.node), module.SPI)
        return spi.SpiConnection(wire, module.SPI, chip)

    return module.Driver(module.Options(), connect)


def test_a_polled_chip_is_read_and_written_with_the_bits_of_its_framing(kernel):
    kernel.wire = Recorded(max31865_chip.Chip())
    driver = polled(kernel, max31865)
    driver.start()
    assert kernel.settings[1] == 1  # the mode
    assert {b"\x80\xc1", bytes(9)} <= {*kernel.wire.frames}
    assert driver.read().samples[0, 0] == pytest.approx(25.3, abs=0.05)
    driver.stop()
    assert kernel.wire.frames[-1] == b"\x80\x00"


@pytest.mark.parametrize("module", [max31855, max31865])
@pytest.mark.parametrize("level", [b"\x00", b"\xff"])
def test_a_polled_chip_on_an_empty_chip_select_is_absent(kernel, module, level):
    kernel.wire = Absent(level)
    driver = polled(kernel, module)
    with pytest.raises(BusError) as failure:
        driver.start()
    driver.stop()
    assert failure.value.reason is BusReason.NOBODY

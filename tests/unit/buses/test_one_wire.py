"""DS18B20 that share a bus, on a model of the kernel's files."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from support import Clock

from sensorml.acquisition.bus_thread import SensorPoller, Wake, run_bus
from sensorml.acquisition.inbox import Inbox
from sensorml.buses import sysfs
from sensorml.drivers.ds18b20 import Driver, Options
from sensorml.errors import BusError, SensorError

IDS = [f"28-0316a27900{i:02x}" for i in range(7)]
CONVERSION_S = {9: 0.095, 10: 0.19, 11: 0.375, 12: 0.75}


class Kernel:
    """The files of w1_therm, and the time that each takes on a clock of the test."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root
        self.clock = clock
        self.master = root / "devices/w1_bus_master1"
        self.celsius = dict.fromkeys(IDS, 20.0)
        self.bits = dict.fromkeys(IDS, 12)
        self.pending: dict[str, float] = {}
        """The results of the last trigger that are not read yet."""
        self.conversions = 0
        self.clone = False
        devices = root / "bus/w1/devices"
        devices.mkdir(parents=True)
        for each in IDS:
            (self.master / each).mkdir(parents=True)
            (devices / each).symlink_to(self.master / each)

    def allow_bulk(self) -> None:
        (self.master / "therm_bulk_read").touch()

    def number(self, path: Path) -> float:
        device = path.parent.name
        if path.name == "resolution":
            return self.bits[device]
        self.clock.advance(0.012)
        if device in self.pending:
            return self.pending.pop(device)
        self._convert(self.bits[device])
        return self.celsius[device] * 1000

    def write(self, path: Path, value: str) -> None:
        if path.name == "resolution":
            self.bits[path.parent.name] = 12 if self.clone else int(value)
            return
        assert (path.name, value) == ("therm_bulk_read", "trigger")
        self._convert(max(self.bits.values()))
        self.pending = {each: c * 1000 for each, c in self.celsius.items()}

    def _convert(self, bits: int) -> None:
        self.conversions += 1
        self.clock.advance(CONVERSION_S[bits])

    def driver(self, device: str, **options: object) -> Driver:
        return Driver(Options(id=device, **options), self.clock, self.root)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel(tmp_path, Clock())
    monkeypatch.setattr(sysfs, "number", kernel.number)
    monkeypatch.setattr(sysfs, "write", kernel.write)
    return kernel


def one_round(kernel: Kernel) -> tuple[float, list[float]]:
    """Read seven sensors, once started; return the seconds and the values."""
    drivers = [kernel.driver(each) for each in IDS]
    for driver in drivers:
        driver.start()
    began_ns = kernel.clock()
    values = [float(driver.read().samples[0, 0]) for driver in drivers]
    return (kernel.clock() - began_ns) / 1e9, values


def test_seven_measure_at_once_and_each_read_is_short(kernel: Kernel) -> None:
    kernel.allow_bulk()
    kernel.celsius = {each: float(i) for i, each in enumerate(IDS)}
    took_s, values = one_round(kernel)
    assert took_s == pytest.approx(0.75 + 7 * 0.012)
    assert values == [0, 1, 2, 3, 4, 5, 6]
    assert kernel.conversions == 1


def test_without_the_file_each_measures_alone(kernel: Kernel) -> None:
    took_s, _ = one_round(kernel)
    assert took_s == pytest.approx(7 * 0.762)


def test_a_new_round_is_a_new_measurement(kernel: Kernel) -> None:
    kernel.allow_bulk()
    drivers = [kernel.driver(each) for each in IDS[:2]]
    for driver in drivers:
        driver.start()
    [driver.read() for driver in drivers]
    kernel.celsius = dict.fromkeys(IDS, 50.0)
    kernel.clock.advance(1)
    assert [float(d.read().samples[0, 0]) for d in drivers] == [50, 50]
    assert kernel.conversions == 2


def test_an_old_result_is_not_returned_to_a_slow_sensor(kernel: Kernel) -> None:
    kernel.allow_bulk()
    fast, slow = kernel.driver(IDS[0]), kernel.driver(IDS[1], rate_hz=0.01)
    fast.start()
    slow.start()
    fast.read()
    kernel.celsius = dict.fromkeys(IDS, 50.0)
    kernel.clock.advance(60)
    assert slow.read().samples[0, 0] == 50


def test_one_sensor_alone_makes_its_own_measurement(kernel: Kernel) -> None:
    kernel.allow_bulk()
    driver, other = kernel.driver(IDS[0]), kernel.driver(IDS[1])
    driver.start()
    other.start()
    other.stop()
    driver.read()
    assert not kernel.pending  # results that nobody reads would be old ones later


def test_a_bus_where_they_cannot_measure_at_once_is_reported_once(
    kernel: Kernel,
) -> None:
    warnings = [kernel.driver(each).start() for each in IDS]
    [warning] = filter(None, warnings)
    assert "therm_bulk_read cannot be written" in warning
    assert "60-sensorml.rules" in warning
    assert warnings[1] == warning  # one sensor alone needs none


def test_a_bus_where_they_can_needs_no_warning(kernel: Kernel) -> None:
    kernel.allow_bulk()
    assert not any(kernel.driver(each).start() for each in IDS)


def test_the_bus_thread_reads_seven_each_second(kernel: Kernel) -> None:
    kernel.allow_bulk()
    inbox, stop = Inbox(), Wake()
    pollers = [SensorPoller(each, kernel.driver(each)) for each in IDS]
    end_ns = kernel.clock() + 10_000_000_000

    class Waits(Wake):
        def wait(self, timeout_s: float, _woken: object) -> None:
            kernel.clock.advance(timeout_s)
            if kernel.clock() >= end_ns:
                self.set()

    stop = Waits()
    run_bus(pollers, inbox, stop, kernel.clock)
    assert kernel.conversions == pytest.approx(10, abs=1)


def test_the_resolution_is_set_at_the_start(kernel: Kernel) -> None:
    kernel.driver(IDS[0], resolution_bits=9).start()
    assert kernel.bits[IDS[0]] == 9
    assert Options(resolution_bits=9).conversion.wait_s == 0.095


def test_a_clone_that_keeps_twelve_bits_is_reported(kernel: Kernel) -> None:
    kernel.clone = True
    with pytest.raises(SensorError, match="stays at 12 bits: remove resolution_bits"):
        kernel.driver(IDS[0], resolution_bits=9).start()


def test_a_file_that_is_read_only_is_a_bus_error(tmp_path: Path) -> None:
    with pytest.raises(BusError, match="no such file") as refused:
        sysfs.write(tmp_path / "resolution", "9")
    assert refused.value.errno == errno.ENOENT
    file = tmp_path / "therm_bulk_read"
    file.touch()
    sysfs.write(file, "trigger")
    assert file.read_text() == "trigger\n"  # the kernel compares eight bytes

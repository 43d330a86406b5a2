"""Industrial I/O from the kernel's buffer: a folder, and a pipe with scans."""

import errno
import logging
import os

import msgspec
import numpy as np
import pytest
from iio_scan import pack
from support import MS, SECOND, Clock

from sensorml.acquisition import iio_scans as scans
from sensorml.buses import iio_buffer as iiobuffer
from sensorml.buses.iio_buffer import element
from sensorml.drivers.iio import Driver, Options
from sensorml.errors import BusError, SensorError

AXES = ("accel_x", "accel_y", "accel_z")
NEWEST = {"settings": "buffer0", "elements": "buffer0"}
OLD = {"settings": "buffer", "elements": "scan_elements"}


class Kernel:
    """One device as the kernel shows it, that is busy while it collects."""

    def __init__(
        self,
        root,
        monkeypatch,
        *,
        timestamp=True,
        settings="buffer0",
        elements="buffer0",
    ):
        self.root, self.nodes = root / "sys", root / "dev"
        self.device = self.root / "bus/iio/devices/iio:device0"
        self.settings = self.device / settings
        folder = self.device / elements
        for each in (self.nodes, self.settings, folder, self.device / "trigger"):
            each.mkdir(parents=True, exist_ok=True)
        self.put(self.device, name="adxl345", in_accel_scale=0.038245935)
        self.put(self.device, in_accel_sampling_frequency=100)
        self.put(self.device, in_accel_sampling_frequency_available="100 200 400 800")
        self.put(self.device, current_timestamp_clock="realtime")
        self.put(self.device / "trigger", current_trigger="")
        self.put(self.settings, enable=0, length=2, watermark=2, data_available=0)
        self.types = dict.fromkeys((*AXES, "temp"), "le:s13/16>>0")
        if timestamp:
            self.types["timestamp"] = "le:s64/64>>0"
        for place, (name, text) in enumerate(self.types.items()):
            self.put(self.device, **{f"in_{name}_raw": 0})
            entries = {"en": int(name == "temp"), "type": text, "index": place}
            self.put(folder, **{f"in_{name}_{k}": v for k, v in entries.items()})
        self.elements = folder
        os.mkfifo(self.nodes / "iio:device0")
        self.pipe = os.open(self.nodes / "iio:device0", os.O_RDWR | os.O_NONBLOCK)
        self.rates_hz = (100, 200, 400, 800)
        self.plain_write = iiobuffer.write
        monkeypatch.setattr(iiobuffer, "write", self.write)
        monkeypatch.setattr(scans, "write", self.write)

    def put(self, folder, **files):
        for name, value in files.items():
            (folder / name).write_text(f"{value}\n")

    def shows(self, path):
        return (self.device / path).read_text().strip()

    @property
    def collecting(self):
        return (self.settings / "enable").read_text().strip() == "1"

    def write(self, file, text):
        if self.collecting and file.name != "enable":
            raise BusError(errno.EBUSY, f"{file}: busy")
        if file.name.endswith("sampling_frequency"):
            text = f"{min(self.rates_hz, key=lambda hz: abs(hz - float(text)))}.0"
        self.plain_write(file, text)

    def push(self, *rows):
        """Store scans of those elements that are switched on."""
        on = [n for n in self.types if self.shows_on(n)]
        elements = [element(n, i, self.types[n]) for i, n in enumerate(on)]
        os.write(self.pipe, b"".join(pack(elements, row) for row in rows))

    def shows_on(self, name):
        return (self.elements / f"in_{name}_en").read_text().strip() == "1"


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    device = []

    def make(**options):
        device.append(Kernel(tmp_path, monkeypatch, **options))
        return device[-1]

    yield make
    for each in device:
        os.close(each.pipe)


@pytest.fixture
def start_driver():
    drivers = []

    def start(kernel, clock=None, **options):
        options = {"inputs": AXES, "rate_hz": 800.0, **options}
        driver = Driver(
            Options(device="adxl345", buffered=True, **options),
            clock or Clock(),
            kernel.root,
            kernel.nodes,
        )
        drivers.append(driver)
        driver.start()
        return driver

    yield start
    for driver in drivers:
        driver.stop()


@pytest.mark.parametrize("folders", [NEWEST, OLD])
def test_scans_are_rows_in_the_channels_unit_at_their_own_times(
    kernel, start_driver, folders
):
    device, clock = kernel(**folders), Clock()
    driver = start_driver(device, clock)
    t_ns = clock() - 20 * MS
    device.push((256, -256, 1, t_ns), (0, 0, 2, t_ns + 1_250_000))
    block = driver.read()
    g = 0.038245935 / 9.80665
    expected = [[256 * g, -256 * g, g], [0, 0, 2 * g]]
    np.testing.assert_allclose(block.samples, expected, rtol=1e-6)
    assert block.samples.dtype == np.float32
    assert (block.start_ns, block.rate_hz, block.missed) == (t_ns, 800.0, 0)
    assert block.age_ns == 20 * MS - 1_250_000
    assert driver.read() is None


@pytest.mark.parametrize("folders", [NEWEST, OLD])
def test_only_the_selected_elements_are_on(kernel, start_driver, folders):
    device = kernel(**folders)
    device.put(device.settings, enable=1)  # left on by another program
    driver = start_driver(device)
    assert [device.shows_on(n) for n in (*AXES, "temp", "timestamp")] == [
        *(True, True, True),
        *(False, True),
    ]
    assert device.collecting
    assert device.shows(f"{folders['settings']}/length") == "1600"
    assert device.shows(f"{folders['settings']}/watermark") == "1"
    assert device.shows("current_timestamp_clock") == "monotonic"
    assert device.shows("in_accel_sampling_frequency") == "800.0"
    driver.stop()
    assert not device.collecting


def test_the_rate_is_the_one_that_the_device_has(kernel, start_driver, caplog):
    device = kernel()
    with caplog.at_level(logging.WARNING):
        driver = start_driver(device, rate_hz=500.0)
    assert "it runs at 400 Hz, not at 500" in caplog.text
    device.push((1, 1, 1, SECOND))
    assert driver.read().rate_hz == 400.0


def test_the_rate_is_measured_by_the_times_of_the_scans(kernel, start_driver):
    device = kernel()
    driver = start_driver(device)
    jitter = np.random.default_rng(3).integers(-50_000, 50_000, 1600)
    t_ns = SECOND + np.rint(np.arange(1600) * 1e9 / 824).astype(int) + jitter
    for i in range(0, 1600, 40):
        device.push(*[(i, 1, 1, int(t)) for t in t_ns[i : i + 40]])
        block = driver.read()
        truth = SECOND + i * 1e9 / 824
        assert abs(block.start_ns - truth) < 0.75 * 1e9 / 800
        assert block.missed == 0
    assert block.rate_hz == pytest.approx(824, rel=1e-4)


def test_a_gap_in_the_times_is_missed_rows_between_two_blocks(kernel, start_driver):
    device = kernel()
    driver = start_driver(device)
    period = 1_250_000
    scans = [(i, i, i, SECOND + n * period) for i, n in enumerate((0, 1, 2, 7, 8))]
    device.push(*scans)
    first, second = driver.read(), driver.read()
    assert (len(first.samples), first.missed) == (3, 0)
    assert (len(second.samples), second.missed) == (2, 4)
    assert second.start_ns == SECOND + 7 * period
    device.push((0, 0, 0, SECOND + 11 * period))
    assert driver.read().missed == 2


def test_jitter_is_how_far_the_times_of_the_scans_moved(kernel, start_driver):
    device = kernel()
    driver = start_driver(device)
    period = 1_250_000
    late = {4: 300_000, 6: -200_000}
    moved = []
    for n in range(0, 10, 2):
        t_ns = SECOND + n * period + late.get(n, 0)
        device.push((n, 1, 1, t_ns), (n, 1, 1, t_ns + period))
        moved.append(driver.read().jitter_ns)
    assert moved == [0, 0, 300_000, -500_000, 200_000]
    device.push((0, 0, 0, 2 * SECOND))
    assert driver.read().jitter_ns == 0  # after a gap nothing was expected


def test_without_times_jitter_follows_from_the_count(kernel, start_driver):
    device, clock = kernel(timestamp=False), Clock()
    driver = start_driver(device, clock, rate_hz=100.0)
    moved = []
    for late_s in (0, 0, 0, 0.004, 0):
        clock.advance(0.05 + late_s)
        device.push(*[(1, 1, 1)] * 5)
        moved.append(driver.read().jitter_ns)
    assert moved[0] == 0
    assert max(map(abs, moved)) > MS


def test_without_times_the_count_is_the_clock(kernel, start_driver):
    device, clock = kernel(timestamp=False), Clock()
    driver = start_driver(device, clock)
    rows = 0
    begun_ns = clock()
    for i in range(1, 600):
        clock.advance(0.0171)
        due = int((clock() - begun_ns) * 776 / 1e9)
        device.push(*[(i, i, i)] * (due - rows))
        block = driver.read()
        assert len(block.samples) == due - rows
        rows = due
    assert block.rate_hz == pytest.approx(776, rel=1e-3)
    assert 0 <= block.age_ns < SECOND / 776


def test_a_full_buffer_without_times_is_counted_as_missed(kernel, start_driver):
    device, clock = kernel(timestamp=False), Clock()
    driver = start_driver(device, clock, rate_hz=100.0)
    for _ in range(20):
        clock.advance(0.05)
        device.push(*[(1, 1, 1)] * 5)
        driver.read()
    clock.advance(5)
    device.push(*[(1, 1, 1)] * 200)  # all that the kernel keeps
    assert driver.read() is None
    clock.advance(0.05)
    device.push(*[(1, 1, 1)] * 5)
    assert driver.read().missed == pytest.approx(500, abs=3)


def test_rows_at_the_end_of_the_scale_are_named(kernel, start_driver):
    device = kernel()
    driver = start_driver(device)
    device.push(
        *[(4095, 0, 0, SECOND), (4094, 0, 0, SECOND + 1), (0, -4096, 0, SECOND + 2)]
    )
    assert driver.read().clipped.tolist() == [0, 2]


def test_a_device_without_a_trigger_is_reported(kernel, start_driver):
    clock = Clock()
    driver = start_driver(kernel(), clock)
    clock.advance(0.4)
    assert driver.read() is None
    clock.advance(0.2)
    with pytest.raises(SensorError, match=r"no scan for 0.6 s: check its interrupt"):
        driver.read()


def test_a_trigger_is_named_and_its_own_rate_is_set(kernel, start_driver):
    device = kernel()
    trigger = device.device.parent / "trigger3"
    trigger.mkdir()
    device.put(trigger, name="every", sampling_frequency=100)
    start_driver(device, trigger="every")
    assert device.shows("trigger/current_trigger") == "every"
    assert device.shows("../trigger3/sampling_frequency") == "800.0"
    assert device.shows("in_accel_sampling_frequency") == "100"


def test_a_channel_or_a_buffer_that_is_not_there_is_a_bus_error(kernel, start_driver):
    device = kernel()
    device.put(device.device, in_anglvel_x_raw=0)
    with pytest.raises(BusError, match="no in_anglvel_x_en: its elements are accel_x"):
        start_driver(device, inputs=("anglvel_x",))
    device.settings.rename(device.device / "none")
    with pytest.raises(BusError, match="it has no buffer: remove buffered"):
        start_driver(device)


def test_an_absent_node_is_a_bus_error_and_nothing_stays_on(kernel, start_driver):
    device = kernel()
    node = device.nodes / "iio:device0"
    node.rename(device.nodes / "away")
    with pytest.raises(BusError, match="iio:device0: there is no such device"):
        start_driver(device)
    assert not device.collecting
    (device.nodes / "away").rename(node)
    start_driver(device)


@pytest.mark.parametrize("table", [{"rate_hz": 200.0}, {"trigger": "every"}])
def test_what_only_a_buffer_can_is_refused_without_one(table):
    with pytest.raises(msgspec.ValidationError, match="buffered = true"):
        msgspec.convert(table, Options)
    assert msgspec.convert({**table, "buffered": True}, Options).buffered

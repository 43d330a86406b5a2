"""Every state of a sensor, from a chip on its bus to the events in the journal.

A poller with a real driver on a simulated chip, the inbox and the monitor, on
one clock; what is done to the chip is what happens to chips.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import numpy as np
import pytest
from support import SECOND, Clock, FakeEngine, card

from sensorml.acquisition.bus_thread import SensorPoller
from sensorml.acquisition.inbox import Inbox
from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.buses.i2c import I2cConnection
from sensorml.drivers import adxl345, file, lm75
from sensorml.interfaces import Driver
from sensorml.pipeline.pipeline import Pipeline
from sensorml.recordings.npz import write_npz
from sensorml.service.monitor import Monitor
from sensorml.service.streams import Stream
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import adxl345 as sim_adxl345
from sensorml.sim.chips import lis3dh as sim_lis3dh
from sensorml.sim.chips import lm75 as sim_lm75
from sensorml.sim.machine import Machine, MachineOptions
from sensorml.sim.registers import RegisterChip
from sensorml.storage.change_limit import CHANGES_AT_ONCE
from sensorml.storage.outbox import Outbox
from sensorml.storage.tables import COLUMNS
from sensorml.types import SensorState

VIBRATION = card(channels=3, rate_hz=800.0, window=64, hop=32, frozen_rows=16)


class Denied(SimBus):
    """A bus whose device file the user may not open."""

    def transfer(self, address, messages):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


class Rig:
    """One sensor, visited when it is due, and all that follows."""

    def __init__(self, driver: Callable[[Clock], Driver], model=VIBRATION) -> None:
        self.clock = Clock()
        self.inbox = Inbox()
        self.poller = SensorPoller("motor", driver(self.clock))
        self.outbox = Outbox(urgent=lambda: None)
        streams = []
        if model is not None:
            pipeline = Pipeline(model, FakeEngine(), clock=self.clock)
            streams.append(Stream("wear", "motor", pipeline))
        self.health = SensorHealth("motor", stale_after_s=2.0)
        self.monitor = Monitor(
            [self.health], streams, [], self.outbox, timing_s=1e6, clock=self.clock
        )
        self._due_ns = self.clock()

    def run(self, seconds: float) -> None:
        """Let time pass, with every visit and tick in it."""
        end_ns = self.clock() + round(seconds * 1e9)
        while self.clock() < end_ns:
            if self.clock() >= self._due_ns:
                wait_s = self.poller.visit(self.inbox, self.clock)
                wait_s = 1e9 if wait_s is None else wait_s
                self._due_ns = self.clock() + round(wait_s * 1e9)
            while (reading := self.inbox.get(0)) is not None:
                self.monitor.handle(reading)
            self.monitor.tick(self.clock())
            next_ns = min(self._due_ns, self.clock() + SECOND // 4, end_ns)
            self.clock.now_ns = max(next_ns, self.clock() + 1)

    def hang(self, seconds: float) -> None:
        """Let time pass in which the bus thread does not come back."""
        for _ in range(round(seconds * 4)):
            self.clock.advance(0.25)
            self.monitor.tick(self.clock())

    def events(self, *columns: str) -> list:
        """Take the events so far; one column comes as it is."""
        rows = self.outbox.take()
        places = [COLUMNS["event"].index(column) for column in columns]
        found = [tuple(row[p] for p in places) for row in rows.get("event", ())]
        return [row[0] for row in found] if len(columns) == 1 else found

    def counts(self) -> dict[str, object]:
        """Return the sensor's row of counts since the last one."""
        row = self.health.row(0, self.clock())
        return dict(zip(COLUMNS["sensor"], row, strict=True))


def on_bus(bus: SimBus, **options: object) -> Callable[[Clock], Driver]:
    return lambda clock: adxl345.Driver(
        adxl345.Options(bus="sim", **options),
        lambda o, c: I2cConnection(bus, o, c),
        clock,
    )


def accelerometer(machine=None, **options: object) -> tuple[Rig, RegisterChip]:
    """Return a rig on an ADXL345 that feels a machine, and the chip."""
    bus = SimBus({})
    rig = Rig(on_bus(bus, **options))
    chip = sim_adxl345.Chip(Machine(machine or MachineOptions()), rig.clock)
    bus.chips[0x53] = chip
    return rig, chip


def test_a_sensor_that_was_not_visited_yet_is_starting_and_then_ok() -> None:
    rig, _ = accelerometer()
    assert rig.health.state is SensorState.STARTING
    rig.run(2)
    assert rig.events("state", "previous", "value") == [("ok", "starting", None)]
    counts = rig.counts()
    assert (counts["state"], counts["missed"], counts["failures"]) == ("ok", 0, 0)
    assert counts["rows"] == pytest.approx(1600, abs=20)
    assert counts["rate_hz"] == pytest.approx(800, rel=0.01)


def test_a_transfer_that_does_not_come_back_makes_it_stale() -> None:
    rig, _ = accelerometer()
    rig.run(1)
    rig.hang(3)
    assert rig.health.blind
    rig.run(2)
    assert rig.events("state") == ["ok", "stale", "overrun", "ok"]
    counts = rig.counts()
    assert counts["overrun"] == 1
    assert counts["missed"] == pytest.approx(3 * 800, abs=60)


def test_a_converter_that_stands_still_makes_it_frozen_until_it_moves() -> None:
    rig, chip = accelerometer()
    rig.run(1)
    rig.counts()
    chip.frozen = True
    rig.run(1)
    assert rig.health.state is SensorState.FROZEN
    assert rig.counts()["duplicated"] == pytest.approx(800, abs=30)
    chip.frozen = False
    rig.run(1)
    assert rig.events("state") == ["ok", "frozen", "ok"]


def test_one_that_stands_still_is_frozen_without_a_model_too() -> None:
    bus = SimBus({})
    rig = Rig(on_bus(bus), model=None)
    chip = bus.chips[0x53] = sim_adxl345.Chip(Machine(MachineOptions()), rig.clock)
    rig.run(1)
    chip.frozen = True
    rig.run(1)
    assert rig.health.state is SensorState.FROZEN
    chip.frozen = False
    rig.run(1)
    assert rig.events("state") == ["ok", "frozen", "ok"]


def test_a_model_that_needs_another_rate_is_reported_once() -> None:
    rig, _ = accelerometer(rate_hz=400)
    rig.run(5)
    rig.monitor.tick(rig.clock() + 10**16)
    rig.run(5)
    rig.monitor.tick(rig.clock() + 10**16)
    told = rig.events("kind", "subject", "state", "previous", "detail")
    [event] = [each for each in told if each[0] == "model"]
    assert event[1:4] == ("wear", "unknown", "ok")
    assert "the sensor runs at 400 Hz, the model takes 800" in event[4]


def test_more_than_the_range_makes_it_clipped() -> None:
    rig, _ = accelerometer(MachineOptions(harmonics=(3.0,)), range_g=2)
    rig.run(2)
    assert rig.events("state")[-1] == "clipped"
    assert not rig.health.blind, "what is over the range is still a measurement"
    assert rig.counts()["clipped"] > 160


def test_a_visit_that_comes_late_is_an_overrun_and_the_event_has_the_count() -> None:
    rig, _ = accelerometer()
    rig.run(1)
    rig.clock.advance(0.5)
    rig.run(2)
    assert rig.events("state", "value") == [
        ("ok", None),
        ("overrun", rig.health.missed),
        ("ok", None),
    ]
    assert rig.health.missed == pytest.approx(0.5 * 800 - 32, abs=16)


def test_an_unplugged_sensor_is_one_event_and_its_return_another() -> None:
    rig, chip = accelerometer()
    rig.run(1)
    chip.absent = True
    rig.run(600)
    [(first, _), (state, detail)] = rig.events("state", "detail")
    assert (first, state) == ("ok", "absent")
    assert "no chip answers: check the wiring" in detail
    counts = rig.counts()
    assert counts["state"] == "absent"
    assert counts["failures"] > 20
    chip.absent = False
    rig.run(40)
    assert rig.events("state", "previous", "value") == [
        ("ok", "absent", rig.health.missed)
    ]
    assert rig.counts()["overrun"] == 0, "no FIFO has overflowed"


def test_another_kind_of_failure_is_another_event() -> None:
    rig, chip = accelerometer()
    rig.run(1)
    chip.absent = True
    rig.run(60)
    chip.absent, chip.hung = False, True
    rig.run(60)
    told = rig.events("state", "previous", "detail")
    assert [row[:2] for row in told] == [
        ("ok", "starting"),
        ("absent", "ok"),
        ("absent", "absent"),
    ]
    assert told[-1][2] != told[-2][2]


def test_a_sensor_that_is_not_there_at_the_start_is_absent() -> None:
    rig = Rig(on_bus(SimBus({})))
    rig.run(120)
    assert rig.events("state", "previous") == [("absent", "starting")]
    assert np.isnan(rig.counts()["rate_hz"])


def test_a_chip_that_does_not_keep_its_settings_is_a_wrong_chip() -> None:
    bus = SimBus({})
    rig = Rig(on_bus(bus))
    bus.chips[0x53] = sim_lis3dh.Chip(Machine(MachineOptions()), rig.clock)
    rig.run(120)
    [(state, detail)] = rig.events("state", "detail")
    assert state == "wrong_chip"
    assert "check that the driver fits the chip" in detail


def test_a_clone_with_a_foreign_identity_is_ok_with_one_warning() -> None:
    bus = SimBus({})
    rig = Rig(on_bus(bus))
    bus.chips[0x53] = sim_adxl345.Chip(
        Machine(MachineOptions()), rig.clock, identity=0x42
    )
    rig.run(2)
    rig.poller.stop()
    rig.run(2)
    assert rig.health.state is SensorState.OK
    [detail] = [d for s, d in rig.events("state", "detail") if s == "remark"]
    assert "identity register 0x00 is 0x42, not 0xe5" in detail


def test_a_bus_that_may_not_be_opened_is_denied_with_a_cure() -> None:
    rig = Rig(on_bus(Denied({})))
    rig.run(120)
    [(state, detail)] = rig.events("state", "detail")
    assert state == "denied"
    assert "add the user to the group i2c" in detail


def test_a_recording_that_is_over_has_ended(tmp_path) -> None:
    rows = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
    path = tmp_path / "short.npz"
    write_npz(path, samples=rows, rate_hz=800.0, channels=["x", "y", "z"], unit="g",
              start_ns=0)  # fmt: skip
    options = file.Options(path=str(path), pace="fast")
    rig = Rig(lambda clock: file.Driver(options, clock))
    rig.run(60)
    assert rig.events("state") == ["ok", "ended"]
    assert rig.counts()["rows"] == 500


def test_a_loose_wire_does_not_fill_the_log_and_the_last_word_is_true() -> None:
    rig, chip = accelerometer()
    minutes = 5
    for _ in range(minutes * 30):
        chip.absent = not chip.absent
        rig.run(2)
    chip.absent = False
    rig.run(200)
    states = rig.events("state", "value")
    assert 4 < len(states) <= CHANGES_AT_ONCE + minutes + 4
    assert states[-1][0] == "ok"
    assert sum(value or 0 for _, value in states) == rig.health.missed


def test_a_temperature_that_stays_the_same_for_an_hour_is_ok() -> None:
    def driver(clock: Clock) -> Driver:
        bus = SimBus({0x48: sim_lm75.Chip()})
        return lm75.Driver(
            lm75.Options(bus="sim"), lambda o, c: I2cConnection(bus, o, c), clock
        )

    slow = card(channels=1, rate_hz=1.0, window=60, hop=10)
    rig = Rig(driver, slow)
    rig.run(3600)
    assert rig.events("state") == ["ok"]
    assert rig.counts()["duplicated"] == rig.health.rows - 1

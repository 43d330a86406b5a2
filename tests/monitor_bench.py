"""A monitor with fake engines and lines, and its readings."""

from __future__ import annotations

from support import Clock, FakeEngine, block, card

from sensorml.acquisition.inbox import Reading
from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.alarms.channel import AlarmChannel
from sensorml.alarms.logic import Signal
from sensorml.config.tables import Alarm, When
from sensorml.errors import BusError
from sensorml.pipeline.pipeline import Pipeline
from sensorml.service.monitor import Monitor
from sensorml.service.streams import Stream
from sensorml.storage.outbox import Outbox
from sensorml.storage.tables import COLUMNS

QUIET, LOUD = [0.0, 0.1, 0.2, 0.1], [0.0, 5.0, 0.2, 0.1]


class LoggedOutbox(Outbox):
    """An outbox that also logs the order of rows and line changes."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(urgent=lambda: None)
        self.log = log

    def predictions(self, rows) -> None:
        self.log.append("predictions")
        super().predictions(rows)

    def alarm(self, at_ns, **fields) -> None:
        self.log.append(f"alarm {fields['state']}")
        super().alarm(at_ns, **fields)


class FakeLine:
    """A line that records its levels and can fail."""

    def __init__(self, log: list[str]) -> None:
        self.levels: list[bool] = []
        self.signals: list[Signal] = []
        self.failing = False
        self._log = log

    def set(self, signal: Signal) -> None:
        if self.failing:
            raise BusError("GPIO 17: no access")
        on = signal is not Signal.OFF
        self._log.append(f"line {'on' if on else 'off'}")
        self.levels.append(on)
        self.signals.append(signal)


class Bench:
    """A motor with a model, a door with a contact, an alarm and a line for each."""

    def __init__(self, **rules: object) -> None:
        self.clock = Clock()
        self.log: list[str] = []
        self.outbox = LoggedOutbox(self.log)
        self.engine = FakeEngine(clock=self.clock, quantise_ns=1_000, invoke_ns=5_000)
        wear = {"of": (1, 1), "clear_after_s": 0.0, "fail_safe": "off", **rules}
        self.bad_line, self.open_line = FakeLine(self.log), FakeLine(self.log)
        self.bad = AlarmChannel(
            Alarm(name="bad", model="wear", **wear),
            self.outbox,
            sensor="motor",
            line=self.bad_line,
        )
        self.open = AlarmChannel(
            Alarm(name="open", sensor="door", when=When(equals=1)),
            self.outbox,
            sensor="door",
            line=self.open_line,
        )
        pipeline = Pipeline(card(hop=4), self.engine, clock=self.clock)
        self.stream = Stream("wear", "motor", pipeline)
        self.first_results = 0
        self.monitor = Monitor(
            [SensorHealth(name, stale_after_s=2.0) for name in ("motor", "door")],
            [self.stream],
            [self.bad, self.open],
            self.outbox,
            timing_s=10.0,
            first_result=self._first_result,
            clock=self.clock,
        )

    def _first_result(self) -> None:
        self.first_results += 1

    def read(self, sensor: str, rows: list[float], *, rate_hz: float = 1000.0) -> None:
        """Read rows, the last of which was taken just now."""
        start_ns = self.clock() - round((len(rows) - 1) * 1e9 / rate_hz)
        what = block(rows, start_ns=start_ns, rate_hz=rate_hz)
        self.monitor.handle(Reading(sensor, self.clock(), what))

    def put(self, sensor: str, what: object) -> None:
        self.monitor.handle(Reading(sensor, self.clock(), what))

    def rows(self, kind: str, *columns: str) -> list[tuple[object, ...]]:
        """Take what is in the outbox; return one kind of it."""
        rows = self.outbox.take()
        places = [COLUMNS[kind].index(column) for column in columns]
        return [tuple(row[p] for p in places) for row in rows.get(kind, ())]

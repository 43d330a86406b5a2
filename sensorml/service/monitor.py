"""The way of a reading: health, windows, alarms, lines, rows.

All of it runs on one thread, the engine's, and in this order: an alarm's line has
changed before anything is written down.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from sensorml.acquisition.inbox import (
    Acknowledge,
    Arm,
    Inbox,
    Reading,
    Started,
    Trigger,
)
from sensorml.acquisition.sensor_health import PendingEvent, SensorHealth
from sensorml.alarms.channel import AlarmChannel
from sensorml.errors import SourceEndedError, UnsettledError
from sensorml.pipeline.pipeline import FROZEN
from sensorml.service.streams import Stream
from sensorml.storage.outbox import Outbox
from sensorml.types import Block, Change, Prediction

TICK_S: Final = 0.25
"""Between checks for silent sensors when no reading comes."""
LATE_TICK_S: Final = 1.0
"""A tick that is so late is skipped: the computer slept or swapped, and readings may
wait that this thread has not seen yet."""


class Monitor:
    """Works on readings, one at a time; the service's only user of engines."""

    def __init__(
        self,
        sensors: Iterable[SensorHealth],
        streams: Iterable[Stream],
        alarms: Iterable[AlarmChannel],
        outbox: Outbox,
        *,
        timing_s: float = 10.0,
        features_s: float = 60.0,
        first_result: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Make a monitor.

        Args:
            sensors: the health of every sensor.
            streams: the models, in the order of the configuration.
            alarms: the alarms, in the order of the configuration.
            outbox: receives the rows.
            timing_s: the period of `timing` and `sensor` rows.
            features_s: the period of `feature` rows.
            first_result: called once, with the first result.
            clock: monotonic, ns.
        """
        self.sensors = {sensor.name: sensor for sensor in sensors}
        self.streams = tuple(streams)
        self.alarms = tuple(alarms)
        self.results = 0
        """Windows judged and contacts read since the start."""
        self.blocks = 0
        """Blocks of samples since the start; the heartbeat follows this count."""
        self.iterations = 0
        """Iterations of `run`; they show that the thread does not hang."""
        self._outbox = outbox
        self._clock = clock
        self._first_result = first_result
        self._has_result = False
        self._streams_of = {
            name: [s for s in self.streams if s.sensor == name] for name in self.sensors
        }
        self._alarms_of_model = {
            stream.model: [a for a in self.alarms if a.model == stream.model]
            for stream in self.streams
        }
        self._contact_alarms_of = {
            name: [a for a in self.alarms if not a.model and a.sensor == name]
            for name in self.sensors
        }
        self._periodic = (
            Periodic(timing_s, clock(), self._write_counts),
            Periodic(features_s, clock(), self._write_features),
        )

    def run(self, inbox: Inbox) -> None:
        """Work until the inbox is closed and empty. Blocks; owns its thread."""
        for alarm in self.alarms:
            alarm.drive()
        next_tick_ns = self._clock()
        while not inbox.drained:
            self.iterations += 1
            reading = inbox.get(TICK_S)
            if reading is not None:
                self.handle(reading)
            if (now_ns := self._clock()) >= next_tick_ns:
                if now_ns - next_tick_ns < LATE_TICK_S * 1e9:
                    self.tick(now_ns)
                next_tick_ns = now_ns + round(TICK_S * 1e9)
        for periodic in self._periodic:
            periodic.write(self._clock())
        for sensor in self.sensors.values():
            self._write(sensor, sensor.last_event())
        for alarm in self.alarms:
            alarm.report_rest()

    def handle(self, reading: Reading) -> None:
        """Take one reading all the way to lines and rows."""
        content = reading.content
        if isinstance(content, Acknowledge | Arm):
            self._operate(content, reading.at_ns)
            return
        if isinstance(content, Trigger):
            self._trigger(content.model, reading.at_ns)
            return
        sensor = self.sensors[reading.sensor]
        if isinstance(content, Block):
            self._add_block(sensor, content, reading.at_ns)
        elif isinstance(content, Started):
            self._sensor_started(sensor, content.warning, reading.at_ns)
        elif isinstance(content, SourceEndedError):
            self._sensor_changed(sensor, sensor.ended(reading.at_ns))
        elif isinstance(content, UnsettledError):
            self._sensor_changed(sensor, sensor.unsettled(reading.at_ns, content))
        else:
            self._sensor_changed(sensor, sensor.failure(reading.at_ns, content))

    def tick(self, now_ns: int) -> None:
        """Check for silent sensors, retry lines that failed, write what is due."""
        for sensor in self.sensors.values():
            self._sensor_changed(sensor, sensor.tick(now_ns))
            self._report(sensor, now_ns)
        for alarm in self.alarms:
            alarm.drive()
            alarm.report(now_ns)
        for periodic in self._periodic:
            if periodic.due(now_ns):
                periodic.write(now_ns)

    def _operate(self, request: Acknowledge | Arm, at_ns: int) -> None:
        """Acknowledge, arm or disarm an alarm."""
        for alarm in self.alarms:
            if alarm.name == request.alarm:
                if isinstance(request, Arm):
                    alarm.arm(at_ns, armed=request.armed)
                else:
                    alarm.acknowledge(at_ns, request.by)

    def _trigger(self, model: str, at_ns: int) -> None:
        for stream in self.streams:
            if stream.model == model:
                predictions = stream.pipeline.trigger(at_ns)
                if predictions:
                    self._judge(stream, predictions)

    def _add_block(self, sensor: SensorHealth, block: Block, at_ns: int) -> None:
        self.blocks += 1
        streams = self._streams_of[sensor.name]
        # A window shows better than a block whether the sensor is frozen.
        windowed = any(not stream.pipeline.triggered for stream in streams)
        frozen = None if windowed else block.frozen
        for stream in streams:
            predictions = stream.pipeline.step(block, waited_ns=self._clock() - at_ns)
            if predictions:
                frozen = bool(frozen) or predictions[-1].reason == FROZEN
                self._judge(stream, predictions)
            elif stream.pipeline.triggered:
                self._count(0)  # without a trigger, samples are the only result
        for alarm in self._contact_alarms_of[sensor.name]:
            alarm.read(block)
            self._count(1)
        if not self.streams and not self.alarms:
            self._count(0)  # nothing is judged, samples are the only result
        now_ns = self._clock()  # not at_ns: a block that had to wait is no silence
        self._sensor_changed(sensor, sensor.block(now_ns, block, frozen=frozen))

    def _judge(self, stream: Stream, predictions: Sequence[Prediction]) -> None:
        """Take windows to the alarms and meters of a model, then to rows."""
        alarms = self._alarms_of_model[stream.model]
        for prediction in predictions:
            for alarm in alarms:
                alarm.judge(prediction)
        stream.add(predictions)
        stream.show(predictions[-1].score)
        self._count(len(predictions))
        self._outbox.predictions(stream.rows(predictions))

    def _count(self, results: int) -> None:
        if not self._has_result:
            self._has_result = True
            self._first_result()
        self.results += results

    def _sensor_started(self, sensor: SensorHealth, warning: str, at_ns: int) -> None:
        """Report once what is unusual about the device of a driver that started."""
        if sensor.started(at_ns, warning):
            self._outbox.event(
                at_ns=at_ns,
                kind="sensor",
                subject=sensor.name,
                state="remark",
                detail=warning,
            )

    def _sensor_changed(self, sensor: SensorHealth, change: Change | None) -> None:
        """Blind the alarms of a sensor that delivers nothing, and report the change."""
        if change is None:
            return
        if sensor.blind:
            reason = f"{sensor.name} is {sensor.state}"
            for alarm in self.alarms:
                if alarm.sensor == sensor.name:
                    alarm.blind(change.at_ns, reason)
            for stream in self._streams_of[sensor.name]:
                stream.show(math.nan)
        self._report(sensor, change.at_ns)

    def _report(self, sensor: SensorHealth, now_ns: int) -> None:
        """Write down the pending event of a sensor."""
        self._write(sensor, sensor.pending_event(now_ns))

    def _write(self, sensor: SensorHealth, event: PendingEvent | None) -> None:
        if event is not None:
            self._outbox.event(
                at_ns=event.at_ns,
                kind="sensor",
                subject=sensor.name,
                state=event.state,
                previous=event.previous,
                detail=event.detail,
                value=event.lost or None,
            )

    def _write_features(self, begun_ns: int, now_ns: int) -> None:
        for stream in self.streams:
            self._outbox.features(stream.feature_rows(begun_ns, now_ns))

    def _write_counts(self, begun_ns: int, now_ns: int) -> None:
        """Write the events and delays of models, and the counts of sensors."""
        for stream in self.streams:
            self._write_stream_events(stream)
            self._outbox.timing(stream.timing_rows(begun_ns, now_ns))
        rows = [sensor.row(begun_ns, now_ns) for sensor in self.sensors.values()]
        self._outbox.sensors(rows)

    def _write_stream_events(self, stream: Stream) -> None:
        if ignored := stream.new_ignored():
            self._outbox.event(
                kind="trigger",
                subject=stream.model,
                state="ignored",
                detail="triggers came within the window of another",
                value=ignored,
            )
        if change := stream.pending_event():
            self._outbox.event(
                at_ns=change.at_ns,
                kind="model",
                subject=stream.model,
                state=change.after,
                previous=change.before,
                detail=change.reason,
            )


class Periodic:
    """Rows that are written once a period."""

    def __init__(
        self, period_s: float, now_ns: int, write: Callable[[int, int], None]
    ) -> None:
        """Begin the first period; `write` is given the begin and end of each, in ns."""
        self._period_ns = round(period_s * 1e9)
        self._begun_ns = now_ns
        self._write = write

    def due(self, now_ns: int) -> bool:
        """Return whether the period is over."""
        return now_ns - self._begun_ns >= self._period_ns

    def write(self, now_ns: int) -> None:
        """Write the rows of the time since the last call."""
        begun_ns, self._begun_ns = self._begun_ns, now_ns
        self._write(begun_ns, now_ns)

"""What becomes of a reading: health, windows, alarms, lines, rows.

All of it on one thread, the engine's, and in this order: an alarm line has
changed before anything is written down.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from sensorml.acquisition.inbox import (
    Acknowledge,
    Arm,
    Inbox,
    Reading,
    Started,
    Trigger,
)
from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.alarms.channel import Watch
from sensorml.alarms.logic import Vote, vote_of_value, vote_of_window, why_of_window
from sensorml.alarms.meter import Pointer
from sensorml.config.tables import Alarm
from sensorml.errors import BusError, SourceEndedError
from sensorml.pipeline.pipeline import FROZEN
from sensorml.service.streams import Stream
from sensorml.storage.outbox import Outbox
from sensorml.types import Block, Change, Prediction

TICK_S: Final = 0.25
"""How often silence is looked for when nothing comes."""
HELD_UP_S: Final = 1.0
"""A look that comes so late proves nothing: who was held up, by a computer that
slept or swapped, has not listened either."""


class Monitor:
    """Works on readings, one at a time; the service's only user of engines."""

    def __init__(
        self,
        sensors: Iterable[SensorHealth],
        streams: Iterable[Stream],
        contacts: Mapping[str, Sequence[Watch]],
        outbox: Outbox,
        *,
        timing_s: float = 10.0,
        first_result: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Make a monitor.

        Args:
            sensors: the health of every sensor.
            streams: the models, in the order of the configuration.
            contacts: by sensor, the alarms that follow its value without a model.
            outbox: where rows go.
            timing_s: how often delay percentiles and sensors' counts become rows.
            first_result: called once, when there is something to show for.
            clock: monotonic, ns.
        """
        self.sensors = {sensor.name: sensor for sensor in sensors}
        self.streams = tuple(streams)
        self.contacts = contacts
        self.results = 0
        """Windows judged and contacts read since the start."""
        self.blocks = 0
        """Blocks taken in since the start: what the heartbeat's line looks at."""
        self.iterations = 0
        """How often `run` has looked for something to do."""
        self._outbox = outbox
        self._clock = clock
        self._first_result = first_result
        self._shown = False
        self._by_sensor = {
            name: [s for s in self.streams if s.sensor == name] for name in self.sensors
        }
        self._period = Period(
            tuple(self.sensors.values()), self.streams, outbox, timing_s, clock()
        )

    @property
    def watches(self) -> list[Watch]:
        return [
            *(w for stream in self.streams for w in stream.watches),
            *(w for watches in self.contacts.values() for w in watches),
        ]

    def run(self, inbox: Inbox) -> None:
        """Work until the inbox is closed and empty. Blocks; owns its thread."""
        for watch in self.watches:
            self._drive(watch)
        next_tick_ns = self._clock()
        while not inbox.drained:
            self.iterations += 1
            reading = inbox.get(TICK_S)
            if reading is not None:
                self.handle(reading)
            if (now_ns := self._clock()) >= next_tick_ns:
                if now_ns - next_tick_ns < HELD_UP_S * 1e9:
                    self.tick(now_ns)
                next_tick_ns = now_ns + round(TICK_S * 1e9)
        self._period.write(self._clock())

    def handle(self, reading: Reading) -> None:
        """Take one reading all the way to lines and rows."""
        what = reading.content
        if isinstance(what, Acknowledge | Arm):
            self._told(what, reading.at_ns)
            return
        if isinstance(what, Trigger):
            self._triggered(what.model, reading.at_ns)
            return
        sensor = self.sensors[reading.sensor]
        if isinstance(what, Block):
            self._block(sensor, what, reading.at_ns)
        elif isinstance(what, Started):
            self._started(sensor, what.warning, reading.at_ns)
        elif isinstance(what, SourceEndedError):
            self._sensor_changed(sensor, sensor.ended(reading.at_ns))
        else:
            self._sensor_changed(sensor, sensor.failure(reading.at_ns, what))

    def _started(self, sensor: SensorHealth, warning: str, at_ns: int) -> None:
        """Take in that a driver runs; tell once what is odd about its device."""
        if sensor.started(at_ns, warning):
            self._outbox.event(
                at_ns=at_ns,
                kind="sensor",
                subject=sensor.name,
                state="remark",
                detail=warning,
            )

    def tick(self, now_ns: int) -> None:
        """Look for what shows by its absence; write what is due."""
        for sensor in self.sensors.values():
            self._sensor_changed(sensor, sensor.tick(now_ns))
            self._tell(sensor, now_ns)
        for watch in self.watches:
            self._drive(watch)
        if self._period.over(now_ns):
            self._period.write(now_ns)

    def _told(self, what: Acknowledge | Arm, at_ns: int) -> None:
        """Do what a person has told an alarm."""
        for watch in self.watches:
            if watch.name == what.alarm:
                sensor, model = self._source_of(watch.logic.rule)
                if isinstance(what, Arm):
                    change = watch.logic.arm(at_ns, armed=what.armed)
                else:
                    change = watch.logic.acknowledge(at_ns)
                self._alarm_changed(watch, change, sensor, model, None)

    def _triggered(self, model: str, at_ns: int) -> None:
        for stream in self.streams:
            if stream.model == model:
                predictions = stream.pipeline.trigger(at_ns)
                if predictions:
                    self._judged(stream, predictions)

    def _source_of(self, rule: Alarm) -> tuple[str, str]:
        for stream in self.streams:
            if stream.model == rule.model:
                return stream.sensor, stream.model
        return rule.sensor or "", ""

    def _block(self, sensor: SensorHealth, block: Block, at_ns: int) -> None:
        self.blocks += 1
        streams = self._by_sensor[sensor.name]
        # Windows tell more than blocks, where some are to come.
        windowed = any(not stream.pipeline.triggered for stream in streams)
        frozen = None if windowed else block.frozen
        for stream in streams:
            predictions = stream.pipeline.step(block, waited_ns=self._clock() - at_ns)
            if predictions:
                frozen = bool(frozen) or predictions[-1].reason == FROZEN
                self._judged(stream, predictions)
            elif stream.pipeline.triggered:
                self._count(0)  # no result is due: samples are all there is to see
        for watch in self.contacts.get(sensor.name, ()):
            self._read(watch, sensor.name, block)
        if not self.streams and not self.contacts:
            self._count(0)  # nothing is judged: samples are all there is to see
        now_ns = self._clock()  # not at_ns: a block that had to wait is no silence
        self._sensor_changed(sensor, sensor.block(now_ns, block, frozen=frozen))

    def _judged(self, stream: Stream, predictions: Sequence[Prediction]) -> None:
        for prediction in predictions:
            for watch in stream.watches:
                vote = vote_of_window(watch.logic.rule, prediction)
                reason = why_of_window(prediction)
                change = watch.logic.vote(prediction.end_ns, vote, reason)
                if not watch.logic.seeing:
                    watch.reason = reason
                self._alarm_changed(
                    watch, change, stream.sensor, stream.model, prediction
                )
        stream.take(predictions)
        for pointer in stream.pointers:
            self._try(pointer, partial(pointer.show, predictions[-1].score))
        self._count(len(predictions))
        self._outbox.predictions(lambda offset_ns: stream.rows(predictions, offset_ns))

    def _count(self, results: int) -> None:
        if not self._shown:
            self._shown = True
            self._first_result()
        self.results += results

    def _read(self, watch: Watch, sensor: str, block: Block) -> None:
        """Let an alarm without a model look at every row of a contact's block."""
        when = watch.logic.rule.when
        assert when is not None  # noqa: S101 - the configuration made sure
        period_ns = 1e9 / block.rate_hz
        for i, value in enumerate(block.samples[:, 0].tolist()):
            at_ns = block.start_ns + round(i * period_ns)
            vote = Vote.BLIND if block.frozen else vote_of_value(when, value)
            change = watch.logic.vote(at_ns, vote, f"the value is {value:g}")
            self._alarm_changed(watch, change, sensor, "", None)
        self._count(1)

    def _sensor_changed(self, sensor: SensorHealth, change: Change | None) -> None:
        """Blind the alarms of a sensor that went silent; tell of it."""
        if change is None:
            return
        if sensor.blind:
            why = f"{sensor.name} is {sensor.state}"
            for watch in self.watches:
                name, model = self._source_of(watch.logic.rule)
                if name == sensor.name:
                    blinded = watch.logic.blind(change.at_ns, why)
                    self._alarm_changed(watch, blinded, name, model, None)
            for stream in self._by_sensor[sensor.name]:
                for pointer in stream.pointers:
                    self._try(pointer, partial(pointer.show, math.nan))
        self._tell(sensor, change.at_ns)

    def _tell(self, sensor: SensorHealth, now_ns: int) -> None:
        """Write down what is new about a sensor."""
        news = sensor.news(now_ns)
        if news is not None:
            self._outbox.event(
                at_ns=news.at_ns,
                kind="sensor",
                subject=sensor.name,
                state=news.state,
                previous=news.previous,
                detail=news.detail,
                value=news.lost or None,
            )

    def _alarm_changed(
        self,
        watch: Watch,
        change: Change | None,
        sensor: str,
        model: str,
        prediction: Prediction | None,
    ) -> None:
        """Drive the line first, then write the transition down."""
        self._drive(watch)
        if change is None:
            return
        watch.reason = change.reason
        self._outbox.alarm(
            change.at_ns,
            alarm=watch.name,
            sensor=sensor,
            model=model,
            state=change.after,
            previous=change.before,
            reason=change.reason,
            score=prediction.score if prediction else None,
            threshold=prediction.threshold if prediction else None,
        )

    def _drive(self, watch: Watch) -> None:
        """Bring the line to where its alarm is."""
        line, signal = watch.line, watch.logic.signal
        if line is not None and watch.signal is not signal:
            driven = self._try(watch, partial(line.set, signal))
            watch.signal = signal if driven else None

    def _try(self, driven: Watch | Pointer, drive: Callable[[], None]) -> bool:
        """Drive a line; tell once when that begins to fail, and when it works again."""
        before, detail = driven.line_state, ""
        try:
            drive()
            driven.line_state = "ok"
        except BusError as error:
            driven.line_state, detail = "failed", str(error)
        if driven.line_state != before:
            self._outbox.event(
                kind="gpio",
                subject=driven.name,
                state=driven.line_state,
                previous=before,
                detail=detail,
            )
        return driven.line_state == "ok"


class Period:
    """Turns delays and counts into rows, one period after the other."""

    def __init__(
        self,
        sensors: Sequence[SensorHealth],
        streams: Sequence[Stream],
        outbox: Outbox,
        length_s: float,
        now_ns: int,
    ) -> None:
        self._sensors = sensors
        self._streams = streams
        self._outbox = outbox
        self._length_ns = round(length_s * 1e9)
        self._begun_ns = now_ns

    def over(self, now_ns: int) -> bool:
        return now_ns - self._begun_ns >= self._length_ns

    def write(self, now_ns: int) -> None:
        """Write down the time since the last call."""
        begun_ns, self._begun_ns = self._begun_ns, now_ns
        for stream in self._streams:
            if ignored := stream.take_ignored():
                self._outbox.event(
                    kind="trigger",
                    subject=stream.model,
                    state="ignored",
                    detail="triggers came within the window of another",
                    value=ignored,
                )
            if news := stream.news():
                self._outbox.event(
                    at_ns=news.at_ns,
                    kind="model",
                    subject=stream.model,
                    state=news.after,
                    previous=news.before,
                    detail=news.reason,
                )
        self._outbox.timing(
            lambda offset_ns: [
                row
                for stream in self._streams
                for row in stream.timing_rows(begun_ns + offset_ns, now_ns + offset_ns)
            ]
        )
        self._outbox.sensors(
            lambda offset_ns: [
                sensor.row(begun_ns + offset_ns, now_ns + offset_ns)
                for sensor in self._sensors
            ]
        )

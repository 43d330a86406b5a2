"""What is written down every so often: delays, counts, models that cannot judge."""

from __future__ import annotations

from collections.abc import Sequence

from sensorml.health import SensorHealth
from sensorml.outbox import Outbox
from sensorml.streams import Stream


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

"""Compatibility of models, and of the heartbeat, with the sensors they depend on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sensorml.config.tables import Heartbeat, Sensor
from sensorml.errors import Reason
from sensorml.pipeline.model_card import Input
from sensorml.types import Channel


def why_not(wants: Input, sensor: Sensor, channels: Sequence[Channel]) -> Reason | None:
    """Return why a model cannot judge a sensor's samples, or None."""
    reason = wants.why_not(
        channels=[channel.name for channel in channels],
        unit=channels[0].unit,
        rate_hz=sensor.options.rate_hz,
    )
    return reason and Reason(f"{sensor.name} {reason.what}", reason.cure)


def why_doubtful(
    wants: Input, sensor: Sensor, channels: Sequence[Channel]
) -> Reason | None:
    """Return why a model may take a sensor's samples for something else, or None."""
    unit = channels[0].unit
    if wants.unit or not unit:
        return None
    return Reason(
        f"{sensor.name} is in {unit}, and the model's card has no unit",
        f"train it with --unit {unit}, or in the unit of its recordings: scores are "
        "wrong where that is another one",
    )


def why_still(heartbeat: Heartbeat, sensors: Iterable[Sensor]) -> Reason | None:
    """Return why the heartbeat would stop although all sensors work, or None.

    Samples of any sensor keep it up, so the fastest counts; where one has no rate,
    there is no reason.
    """
    waits_s = [_between_reads_s(sensor) for sensor in sensors]
    least_s = min(waits_s, default=0.0)
    if least_s <= heartbeat.timeout_s:
        return None
    what = f"is {heartbeat.timeout_s:g}, and samples come every {least_s:g} s"
    return Reason(what, "give more, or the heartbeat stops between the samples")


def _between_reads_s(sensor: Sensor) -> float:
    rate_hz = sensor.options.rate_hz
    rows = sensor.options.fifo_rows or 1
    return rows / rate_hz if rate_hz else 0.0

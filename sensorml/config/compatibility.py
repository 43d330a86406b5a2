"""Whether a model and a sensor belong together, and a heartbeat and all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sensorml.config.tables import Heartbeat, Sensor
from sensorml.pipeline import model_card as cards
from sensorml.types import Channel


def why_not(
    wants: cards.Input, sensor: Sensor, channels: Sequence[Channel]
) -> tuple[str, str] | None:
    """Say what keeps a model from running on a sensor, and the cure."""
    if len(channels) != len(wants.channels):
        what = (
            f"{sensor.name} has {len(channels)} channels, "
            f"the model wants {len(wants.channels)} ({', '.join(wants.channels)})"
        )
        return what, "use the sensor it was trained on, or train a model on this one"
    unit = channels[0].unit
    if unit and wants.unit and unit != wants.unit:
        what = f"{sensor.name} is in {unit}, the model wants {wants.unit}"
        return what, "train a model on this sensor"
    rate_hz = getattr(sensor.options, "rate_hz", None)
    if rate_hz and abs(rate_hz / wants.rate_hz - 1) > wants.rate_tolerance:
        what = (
            f"{sensor.name} runs at {rate_hz:g} Hz, "
            f"the model wants {wants.rate_hz:g} Hz ± {wants.rate_tolerance:.0%}"
        )
        return what, f"set rate_hz to {wants.rate_hz:g}, or train a model at this rate"
    return None


def why_still(
    heartbeat: Heartbeat, sensors: Iterable[Sensor]
) -> tuple[str, str] | None:
    """Say why the heart stops between the samples of sensors that are well.

    Samples of any sensor let it beat, so the fastest counts; with one that has no rate
    nothing can be said.
    """
    waits_s = [_between_reads_s(sensor) for sensor in sensors]
    least_s = min(waits_s, default=0.0)
    if least_s <= heartbeat.timeout_s:
        return None
    what = f"is {heartbeat.timeout_s:g}, and samples come every {least_s:g} s"
    return what, "give more than that, or the heart stops though all is well"


def _between_reads_s(sensor: Sensor) -> float:
    rate_hz = getattr(sensor.options, "rate_hz", None)
    rows = getattr(sensor.options, "fifo_rows", None) or 1
    return rows / rate_hz if rate_hz else 0.0

"""The lines of a service on simulated pins, during a run and after it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from sensorml.config import loading
from sensorml.gpio import factory as gpiopins
from sensorml.service import run as service
from sensorml.service.status import Running
from sensorml.storage.reader import Reader
from sensorml.types import AlarmState

BOX = """
[[sensor]]
name = "motor"
driver = "adxl345"
bus = "sim"
rate_hz = 800
range_g = 4
[sensor.machine]
rpm = 1480
fault = "outer"

[[model]]
name = "always"
path = "models/demo"
sensor = "motor"
[[model]]
name = "pressed"
path = "models/demo"
sensor = "motor"
trigger = {gpio = 5}

[[alarm]]
name = "bad"
model = "always"
of = [1, 1]
gpio = 17
pattern = "blink"
blink_s = [0.05, 0.05]
[[alarm]]
name = "guarded"
model = "always"
of = [1, 1]
gpio = 16
arm_gpio = 6
fail_safe = "off"

[[meter]]
name = "needle"
model = "always"
gpio = 18

[heartbeat]
gpio = 24
period_s = 0.1
"""


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    gpiopins.factory.cache_clear()
    yield gpiopins.factory()
    gpiopins.factory.cache_clear()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - pins offer no event to wait for
        await asyncio.sleep(0.01)


async def test_lines_blink_toggle_and_show_scores_and_end_at_safe_levels(
    lines: MockFactory, tmp_path: Path
) -> None:
    (tmp_path / "box.toml").write_text(BOX)
    config = loading.load(tmp_path / "box.toml")
    store = tmp_path / "journal.db"
    steps: list[str] = []

    async def operate(running: Running) -> None:
        alarms = {alarm.name: alarm for alarm in running.monitor.alarms}
        await until(lambda: alarms["bad"].logic.state is AlarmState.ALARM)
        for line in (17, 24):
            lines.pin(line).clear_states()
            await until(lambda line=line: len(lines.pin(line).states) > 6)
        steps.append("blink and heartbeat")
        await until(lambda: lines.pin(18).state > 0)
        steps.append("meter")
        assert alarms["guarded"].logic.state is AlarmState.DISARMED
        lines.pin(6).drive_low()
        await until(lambda: alarms["guarded"].logic.state is AlarmState.ALARM)
        assert lines.pin(16).state
        steps.append("arming")
        [_, pressed] = running.monitor.streams
        assert pressed.windows == 0
        lines.pin(5).drive_high()
        await until(lambda: pressed.windows > 0)
        steps.append("trigger")
        finished.set()

    finished = asyncio.Event()
    run = service.run(config, store, duration_s=60, viewer=operate)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run)
        await finished.wait()
        os.kill(os.getpid(), signal.SIGTERM)  # as systemd stops it
        await task
    assert steps == ["blink and heartbeat", "meter", "arming", "trigger"]
    assert {n: bool(lines.pin(n).state) for n in (16, 17, 18, 24)} == {
        16: False,
        17: True,
        18: False,
        24: False,
    }
    assert {lines.pin(n).function for n in (16, 17, 18, 24)} == {"output"}
    with closing(Reader.open(store)) as reader:
        assert reader.last_id("prediction") > 0

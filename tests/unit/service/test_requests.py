"""Requests to a running service: the blocks of a sensor."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from support import block

from sensorml.acquisition import inbox
from sensorml.acquisition.inbox import Inbox, Reading
from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.config import loading
from sensorml.errors import BusError, ServiceError, SourceEndedError
from sensorml.service import requests
from sensorml.service.messages import (
    Acknowledge,
    Done,
    Ended,
    Failed,
    Opened,
    Quiet,
    Record,
    Refused,
    Rows,
    Unknown,
    settings,
)
from sensorml.service.monitor import Monitor
from sensorml.service.sensor_blocks import open_sensor
from sensorml.service.status import Running
from sensorml.storage.outbox import Outbox
from sensorml.threads import Worker
from sensorml.types import Block

BOX = """
[[sensor]]
name = "motor"
driver = "adxl345"
bus = "sim"
[[sensor]]
name = "oil"
driver = "lm75"
bus = "sim"
[[alarm]]
name = "hot"
sensor = "oil"
latch = true
[alarm.when]
above = 80
"""


@pytest.fixture
def running(tmp_path: Path) -> Running:
    path = tmp_path / "box.toml"
    path.write_text(BOX)
    config = loading.load(path)
    outbox = Outbox(urgent=lambda: None)
    health = [SensorHealth(each.name, stale_after_s=2.0) for each in config.sensors]
    monitor = Monitor(health, [], [], outbox)
    return Running(
        config, {}, monitor, Inbox(), None, outbox, None, [], asyncio.Event(), 0
    )


def put(running: Running, *numbers: int, missed: int = 0, sensor: str = "motor"):
    for number in numbers:
        rows = [[number, number, number]]
        reading = Reading(sensor, number, block(rows, start_ns=number, missed=missed))
        running.inbox.put(reading)


def numbers(answers: list[Rows]) -> list[int]:
    return [answer.start_ns for answer in answers]


async def test_a_recorder_gets_the_blocks_from_now_on(running: Running) -> None:
    put(running, 1, 2)
    async with aclosing(requests._respond(running, Record(sensor="motor"))) as answers:
        assert await anext(answers) == Opened()
        put(running, 3, missed=7)
        put(running, 30, sensor="oil")
        put(running, 4, missed=8)
        got = [await anext(answers) for _ in range(2)]
    assert numbers(got) == [3, 4]
    assert [answer.missed for answer in got] == [0, 8]


async def test_a_slow_recorder_loses_the_oldest_and_knows_how_many(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MAX_COPIES", 3)
    async with aclosing(requests._respond(running, Record(sensor="motor"))) as answers:
        assert await anext(answers) == Opened()
        put(running, 1)
        assert numbers([await anext(answers)]) == [1]
        put(running, *range(2, 11))
        got = [await anext(answers) for _ in range(3)]
    assert numbers(got) == [8, 9, 10]
    assert [answer.missed for answer in got] == [6, 0, 0]
    blocks = [running.inbox.get(0) for _ in range(10)]
    assert [reading.at_ns for reading in blocks if reading] == list(range(1, 11))
    assert running.inbox.dropped_rows == 0


async def test_failures_and_the_end_reach_the_recorder(running: Running) -> None:
    async with aclosing(requests._respond(running, Record(sensor="motor"))) as answers:
        await anext(answers)
        running.inbox.put(Reading("motor", 0, BusError("the chip is gone")))
        running.inbox.put(Reading("motor", 0, SourceEndedError()))
        assert [each async for each in answers] == [
            Failed(why="the chip is gone"),
            Ended(),
        ]


async def test_an_absent_sensor_is_reported_at_once(running: Running) -> None:
    running.monitor.sensors["motor"].failure(0, BusError("no chip answers"))
    async with aclosing(requests._respond(running, Record(sensor="motor"))) as answers:
        await anext(answers)
        assert await anext(answers) == Failed(why="no chip answers")


async def test_silence_is_answered(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "QUIET_S", 0.001)
    async with aclosing(requests._respond(running, Record(sensor="motor"))) as answers:
        await anext(answers)
        assert await anext(answers) == Quiet()


async def test_a_recorder_that_leaves_costs_nothing_more(running: Running) -> None:
    async with aclosing(requests._respond(running, Record(sensor="motor"))) as answers:
        await anext(answers)
    assert running.inbox._copies == ()


async def test_other_settings_are_refused_with_the_key(running: Running) -> None:
    options = running.config.sensors[0].options
    same = requests._respond(
        running, Record(sensor="motor", settings=settings(options))
    )
    async with aclosing(same):
        assert await anext(same) == Opened()
    theirs = loading.load(running.config.path).sensors[1].options
    other = Record(sensor="motor", settings=settings(theirs))
    (answer,) = [each async for each in requests._respond(running, other)]
    assert isinstance(answer, Refused)
    assert answer.what == "in the running service, address is 83 and not 72 for motor"


async def test_an_unknown_sensor_is_no_refusal(running: Running) -> None:
    answers = requests._respond(running, Record(sensor="pump"))
    assert [each async for each in answers] == [Unknown()]


async def test_a_command_reads_through_the_service(
    running: Running, tmp_path: Path
) -> None:
    store = tmp_path / "journal.db"

    def read() -> list[int]:
        got: list[int] = []
        with open_sensor(running.config.sensors[0], store) as source:
            for item in source.items:
                if isinstance(item, Block):
                    got.append(item.start_ns)
                elif isinstance(item, ServiceError):
                    return got
                if not got or item is not None:
                    put(running, len(got) + 1)
                if len(got) == 5:
                    loop.call_soon_threadsafe(service.cancel)
        return got

    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        service = group.create_task(requests.serve(running, store))
        await asyncio.sleep(0)  # the socket is made at once
        with Worker("command") as command:
            got = await command.call(read)
    assert got[:5] == [1, 2, 3, 4, 5]


async def test_a_service_without_a_socket_says_why(
    running: Running, tmp_path: Path
) -> None:
    (tmp_path / "journal.db.sock").mkdir()
    await requests.serve(running, tmp_path / "journal.db")
    (event,) = running.outbox.take()["event"]
    assert event.state == "unreachable"
    assert "journal.db.sock: cannot be made" in event.detail


async def test_an_alarm_is_acknowledged_by_name(running: Running) -> None:
    request = Acknowledge(alarm="hot", by="Ana\nB")
    assert [each async for each in requests._respond(running, request)] == [Done()]
    reading = running.inbox.get(0)
    assert reading is not None
    assert reading.content == inbox.Acknowledge("hot", "Ana B")


async def test_an_alarm_that_is_not_there_cannot_be_acknowledged(
    running: Running,
) -> None:
    request = Acknowledge(alarm="hott", by="Ana")
    answers = [each async for each in requests._respond(running, request)]
    assert answers == [
        Refused(what="there is no alarm 'hott'", cure="did you mean hot?")
    ]
    assert running.inbox.get(0) is None

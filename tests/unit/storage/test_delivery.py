"""Delivery to fake sinks: away, hanging, failing, back again."""

from __future__ import annotations

import asyncio
import math
import threading
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from delivery_box import Box, Server, Time, event

from sensorml.errors import Reason
from sensorml.interfaces import Delivered, Hold, NoAnswer, Refused, Retry
from sensorml.storage.journal import Journal
from sensorml.storage.retry_policy import Status


@pytest.fixture
def box(tmp_path):
    box = Box(tmp_path / "journal.db")
    yield box
    box.journal.close()


async def test_every_row_is_sent_once_in_order_and_acknowledged(box):
    box.journal.append({"event": [event(n) for n in range(250)]})
    status = await box.run()
    assert box.server.taken == [("event", event(n)) for n in range(250)]
    assert box.server.sends == 3
    assert box.offset() == 250
    assert status == Status(sent=250)
    assert box.server.closed
    assert box.events == []


async def test_a_second_run_sends_only_what_is_new(box):
    box.journal.append({"event": [event(1)]})
    await box.run()
    box.journal.append({"event": [event(2)]})
    await box.run()
    assert [row[0] for _, row in box.server.taken] == [1, 2]


async def test_a_server_that_was_away_gets_every_row_when_it_is_back(box):
    box.journal.append({"event": [event(n) for n in range(5)]})
    box.server.answers = [NoAnswer("refused")] * 9
    status = await box.run(waits=10)
    assert box.time.waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 1]
    assert [row[0] for _, row in box.server.taken] == [0, 1, 2, 3, 4]
    assert status == Status(sent=5)
    assert [(e["previous"], e["state"], e["detail"]) for e in box.events] == [
        ("ok", "away", "refused"),
        ("away", "ok", "delivers again"),
    ]


async def test_rows_that_are_not_delivered_are_sent_by_the_next_run(box):
    box.journal.append({"event": [event(n) for n in range(5)]})
    box.server.answers = [Delivered(), *[NoAnswer("down")] * 5]
    box.server.batch_rows = 2
    delivery = box.delivery(waits=2)
    await delivery.run(box.stop)
    assert delivery.status.state == "away"
    assert delivery.status.backlog == 3
    assert box.offset() == 2
    box.server.answers = []
    await box.run()
    assert [row[0] for _, row in box.server.taken] == [2, 3, 4]


async def test_a_hold_is_tried_every_minute_and_reported_once(box):
    box.journal.append({"event": [event(1)]})
    box.server.answers = [Hold(Reason("HTTP 401"))] * 3
    await box.run(waits=182)
    assert box.server.sends == 4
    assert [e["state"] for e in box.events] == ["held", "ok"]
    assert len(box.server.taken) == 1


async def test_a_longer_wait_that_the_server_asks_for_is_kept(box):
    box.journal.append({"event": [event(1)]})
    box.server.answers = [Retry("busy", after_s=33.0)]
    sent_s, send = [], box.server.send

    def timed(kind, rows):
        sent_s.append(box.time.now_s)
        return send(kind, rows)

    box.server.send = timed
    await box.run(waits=40)
    assert [b - a for a, b in pairwise(sent_s)] == [33.0]


async def test_delivery_waits_for_a_missing_journal(box, tmp_path):
    box.path = tmp_path / "later.db"

    class Made(Time):
        async def __call__(self, woken, seconds):
            if len(self.waits) == 2:
                Journal.open(box.path).close()
            await super().__call__(woken, seconds)

    stop = asyncio.Event()
    delivery = box.delivery(pause=Made(stop, 4))
    box.stop = stop
    await delivery.run(stop)
    assert [e["state"] for e in box.events] == ["away", "ok"]
    assert "later.db" in box.events[0]["detail"]
    assert box.verified == 3
    assert delivery.status == Status()


async def test_rows_that_were_written_last_are_sent_at_the_stop(box):
    async def late(woken, _seconds):
        box.journal.append({"event": [event(9)]})
        box.stop.set()
        await woken.wait()

    await box.run(pause=late)
    assert [row[0] for _, row in box.server.taken] == [9]
    assert box.offset() == 1


class HangingServer(Server):
    """A sink that does not return until it is released."""

    def __init__(self):
        super().__init__()
        self.called = threading.Event()
        self.release = threading.Event()

    def send(self, kind, rows):
        self.called.set()
        self.release.wait()
        return super().send(kind, rows)


@asynccontextmanager
async def released(server):
    try:
        yield
    finally:
        server.release.set()
        for thread in threading.enumerate():
            if thread.name == "sink plant":
                thread.join()


async def test_a_hanging_server_delays_neither_the_loop_nor_the_stop(box):
    box.server = HangingServer()
    box.journal.append({"event": [event(1)]})
    delivery = box.delivery(stop_s=0.01)
    async with released(box.server), asyncio.timeout(10):
        async with asyncio.TaskGroup() as group:
            group.create_task(delivery.run(box.stop), name="run")
            await asyncio.to_thread(box.server.called.wait)
            box.stop.set()
        assert not box.server.release.is_set()
        assert box.offset() == 0
    assert box.server.closed


async def test_a_sink_that_does_not_return_is_away_until_it_does(box):
    box.server = HangingServer()
    box.journal.append({"event": [event(1)]})
    reported = asyncio.Event()
    delivery = box.delivery(hangs_s=0.01)
    delivery._report = lambda **event: (box.events.append(event), reported.set())
    async with (
        released(box.server),
        asyncio.timeout(10),
        asyncio.TaskGroup() as group,
    ):
        group.create_task(delivery.run(box.stop), name="run")
        await reported.wait()
        assert delivery.status.state == "away"
        box.server.release.set()
    assert box.events[0]["detail"] == "has not returned for 0.01 s"
    assert delivery.status.state == "ok"
    assert box.offset() == 1


async def test_a_sink_is_always_called_on_its_own_thread(box):
    box.journal.append({"event": [event(n) for n in range(250)]})
    await box.run()
    assert box.server.threads == {"sink plant"}


async def test_whatever_a_sink_raises_is_held_and_tried_again(box):
    errors = [
        asyncio.CancelledError(),
        SystemExit(3),
        ZeroDivisionError("a\x1b[31m\nb"),
    ]

    def broken(kind, rows):
        if errors:
            raise errors.pop()
        return Delivered()

    box.server.send = broken
    box.journal.append({"event": [event(1)]})
    status = await box.run(waits=190)
    assert status == Status(sent=1)
    held, back = box.events
    assert held["state"] == "held"
    assert "ZeroDivisionError: a [31m b (test_delivery.py:" in held["detail"]
    assert back["state"] == "ok"


async def test_a_sink_that_cannot_be_made_is_held_and_made_later(box):
    made = iter([OSError("no route"), None])
    server = box.server

    class Late:
        def __call__(self):
            if (err := next(made)) is not None:
                raise err
            return server

    box.journal.append({"event": [event(1)]})
    delivery = box.delivery(waits=70)
    delivery._open_sink = Late()
    await delivery.run(box.stop)
    assert [e["state"] for e in box.events] == ["held", "ok"]
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    "answer",
    [
        *(None, True, "stored", 204),
        *(Retry(None), Retry("busy", "7"), Hold("text"), Hold(None), Refused(1)),
        Refused("bad", "some"),
    ],
)
async def test_what_is_no_outcome_is_held(box, answer):
    box.server.answers = [answer]
    box.journal.append({"event": [event(1)]})
    await box.run(waits=1)
    assert box.events[0]["state"] == "held"
    assert "report this to its author" in box.events[0]["detail"]


@pytest.mark.parametrize("after_s", [math.nan, math.inf, -math.inf, 1e300])
async def test_a_wait_that_is_no_time_ends(box, after_s):
    box.server.answers = [Retry("busy", after_s)]
    box.journal.append({"event": [event(1)]})
    assert (await box.run(waits=3700)).sent == 1
    assert box.time.waits


@pytest.mark.parametrize("batch_rows", [0, -1, 0.5])
async def test_a_sink_without_a_batch_size_gets_single_rows(box, batch_rows):
    box.server.batch_rows = batch_rows
    box.journal.append({"event": [event(n) for n in range(5)]})
    assert (await box.run()).sent == 5
    assert box.server.sends == 5


async def test_a_sink_that_fails_at_its_close_ends_nothing(box):
    def close():
        raise RuntimeError

    box.server.close = close
    await box.run()


async def test_events_of_a_sink_do_not_feed_themselves(box):
    flap = [Retry("away"), Delivered()]

    def send(kind, rows):
        flap.reverse()
        return flap[0]

    box.server.send = send

    class Feeding(Time):
        async def __call__(self, woken, seconds):
            box.journal.append({"event": [event(len(self.waits))]})
            await super().__call__(woken, seconds)

    stop = asyncio.Event()
    delivery = box.delivery(pause=Feeding(stop, 1200))
    box.stop = stop
    await delivery.run(stop)
    assert 12 <= len(box.events) <= 12 + 20
    assert any("were not reported" in e["detail"] for e in box.events)

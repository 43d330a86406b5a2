"""Delivery to fake sinks: away, hanging, refusing, back again."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.interfaces import Delivered, Hold, Retry, Split
from sensorml.storage.delivery import Delivery
from sensorml.storage.journal import Journal
from sensorml.storage.reader import Reader
from sensorml.storage.retry_policy import RetryPolicy, Status


def event(n):
    return (n, "k", "s", "", "", f"row {n}", None)


class Server:
    """A sink that keeps the rows it accepts."""

    def __init__(self):
        self.taken: list[tuple[str, tuple[object, ...]]] = []
        self.sends = 0
        self.refused: set[int] = set()
        self.answers: list[object] = []
        self.closed = False
        self.largest = 1_000_000
        self.threads: set[str] = set()

    def send(self, kind, rows):
        self.sends += 1
        self.threads.add(threading.current_thread().name)
        if self.answers:
            return self.answers.pop(0)
        if len(rows) > self.largest:
            return Split("HTTP 413")
        if any(row[0] in self.refused for row in rows):
            return Split("HTTP 400: field type conflict")
        self.taken += [(kind, row[:-1]) for row in rows]
        return Delivered()

    def close(self):
        self.closed = True


class Time:
    """A `pause` that returns at once, records the waits and stops at the last."""

    def __init__(self, stop, waits):
        self.waits: list[float] = []
        self._stop = stop
        self._left = waits

    async def __call__(self, event, seconds):
        self.waits.append(seconds)
        await asyncio.sleep(0)
        if len(self.waits) >= self._left:
            self._stop.set()


class Box:
    """A journal, and a delivery from it to a server."""

    def __init__(self, path):
        self.path = path
        self.journal = Journal.open(path)
        self.server = Server()
        self.events = []
        self.stop = asyncio.Event()
        self.verified = 0

    async def acknowledge(self, kind, last_id):
        self.journal.acknowledge("plant", kind, last_id)

    async def verify(self):
        self.verified += 1

    def report(self, **event):
        self.events.append(event)

    def delivery(self, waits=1, batch_rows=100, **options):
        self.stop = asyncio.Event()
        options.setdefault("pause", Time(self.stop, waits))
        self.time = options["pause"]
        return Delivery(
            "plant",
            self.server,
            self.path,
            acknowledge=self.acknowledge,
            report=self.report,
            verify=self.verify,
            policy=RetryPolicy(batch_rows=batch_rows, jitter=lambda: 1.0),
            **options,
        )

    async def run(self, waits=1, **options):
        delivery = self.delivery(waits, **options)
        async with asyncio.timeout(20):
            await delivery.run(self.stop)
        return delivery.status

    def offset(self, kind="event"):
        self.journal.flush()
        reader = Reader.open(self.path)
        try:
            return reader.offset("plant", kind)
        finally:
            reader.close()


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


async def test_alarms_go_before_the_backlog_of_timings(box):
    alarm = (5, "bad", "motor", "m", "alarm", "normal", "3 of 5", 2.0, 1.0)
    timing = (1, 2, "motor", "m", "cpu", "invoke", 9, 1, 2, 3, 4)
    box.journal.append({"timing": [timing] * 300, "alarm": [alarm]})
    await box.run()
    assert [kind for kind, _ in box.server.taken][:2] == ["alarm", "timing"]


async def test_a_server_that_was_away_gets_every_row_when_it_is_back(box):
    box.journal.append({"event": [event(n) for n in range(5)]})
    box.server.answers = [Retry("refused")] * 9
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
    box.server.answers = [Delivered(), *[Retry("down")] * 5]
    delivery = box.delivery(waits=2, batch_rows=2)
    await delivery.run(box.stop)
    assert delivery.status.state == "away"
    assert delivery.status.backlog == 3
    assert box.offset() == 2
    box.server.answers = []
    await box.run()
    assert [row[0] for _, row in box.server.taken] == [2, 3, 4]


async def test_a_hold_is_tried_every_minute_and_reported_once(box):
    box.journal.append({"event": [event(1)]})
    box.server.answers = [Hold("HTTP 401")] * 3
    await box.run(waits=4)
    assert box.time.waits == [60, 60, 60, 1]
    assert [e["state"] for e in box.events] == ["held", "ok"]
    assert len(box.server.taken) == 1


async def test_one_bad_row_is_set_aside_and_all_others_are_sent(box):
    box.journal.append({"event": [event(n) for n in range(1, 101)]})
    box.server.refused = {37}
    status = await box.run()
    assert [row[0] for _, row in box.server.taken] == [
        n for n in range(1, 101) if n != 37
    ]
    assert status == Status(sent=99, set_aside=1)
    [told] = box.events
    assert "row 37 of event" in told["detail"]
    assert "field type conflict" in told["detail"]
    assert box.offset() == 100
    assert box.server.sends < 25


async def test_many_refused_rows_are_reported_at_powers_of_ten(box):
    box.journal.append({"event": [event(n) for n in range(1, 121)]})
    box.server.refused = set(range(1, 121))
    status = await box.run()
    assert status.set_aside == 120
    assert len(box.events) == 3


async def test_a_batch_that_is_too_large_is_sent_in_smaller_ones(box):
    box.journal.append({"event": [event(n) for n in range(100)]})
    box.server.largest = 30
    status = await box.run()
    assert [row[0] for _, row in box.server.taken] == list(range(100))
    assert status.set_aside == 0


async def test_a_longer_wait_that_the_server_asks_for_is_kept(box):
    box.journal.append({"event": [event(1)]})
    box.server.answers = [Retry("busy", after_s=33.0)]
    await box.run(waits=2)
    assert box.time.waits == [33.0, 1]


async def test_delivery_waits_for_a_missing_journal(box, tmp_path):
    box.path = tmp_path / "later.db"

    class Made(Time):
        async def __call__(self, event, seconds):
            if len(self.waits) == 2:
                Journal.open(box.path).close()
            await super().__call__(event, seconds)

    stop = asyncio.Event()
    delivery = box.delivery(pause=Made(stop, 4))
    box.stop = stop
    await delivery.run(stop)
    assert [e["state"] for e in box.events] == ["away", "ok"]
    assert "later.db" in box.events[0]["detail"]
    assert box.verified == 3
    assert delivery.status == Status()


async def test_rows_that_were_written_last_are_sent_at_the_stop(box):
    async def late(event, _seconds):
        box.journal.append({"event": [globals()["event"](9)]})
        box.stop.set()
        await event.wait()

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


async def test_a_sink_is_always_called_on_its_own_thread(box):
    box.journal.append({"event": [event(n) for n in range(250)]})
    await box.run()
    assert box.server.threads == {"sink plant"}


async def test_a_bug_in_a_sink_is_not_hidden(box):
    def broken(kind, rows):
        raise ZeroDivisionError

    box.server.send = broken
    box.journal.append({"event": [event(1)]})
    with pytest.raises(ExceptionGroup) as error:
        await box.run()
    assert error.group_contains(ZeroDivisionError)


@given(
    st.integers(1, 64),
    st.sets(st.integers(0, 199), max_size=20),
    st.lists(st.booleans(), max_size=50),
)
def test_every_row_that_is_not_refused_is_taken_once(batch, bad, outages):
    policy = RetryPolicy(batch_rows=batch, jitter=lambda: 0.0)
    taken, offset, outages = [], 0, list(outages)
    for _ in range(10_000):
        rows = list(range(200))[offset : offset + policy.limit("event")]
        if not rows:
            break
        if outages and outages.pop():
            outcome = Retry("away")
        else:
            outcome = Split("bad") if bad.intersection(rows) else Delivered()
        step = policy.after("event", len(rows), outcome)
        if step.passed:
            offset += len(rows)
            taken += rows if isinstance(outcome, Delivered) else []
        assert policy.limit("event") in range(1, batch + 1)
        assert (step.wait_s > 0) == isinstance(outcome, Retry)
    assert taken == [n for n in range(200) if n not in bad]
    assert policy.status.set_aside == len(bad)
    assert policy.status.sent == 200 - len(bad)


@given(st.integers(0, 200), st.floats(0, 1))
def test_the_wait_grows_to_its_limit_and_stays_there(failures, chance):
    policy = RetryPolicy(batch_rows=1, longest_wait_s=60.0, jitter=lambda: chance)
    for _ in range(failures):
        policy.after("event", 1, Retry("down"))
    wait_s = policy.after("event", 1, Retry("down")).wait_s
    ceiling = min(2.0 ** min(failures, 10), 60.0)
    assert ceiling / 2 <= wait_s <= ceiling

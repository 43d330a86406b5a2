"""The order of delivery: urgent kinds, newest rows, backlog."""

from __future__ import annotations

import asyncio

import pytest
from delivery_box import ALARM, Box, Time, event, prediction

from sensorml.interfaces import Delivered, NoAnswer, Retry


@pytest.fixture
def box(tmp_path):
    box = Box(tmp_path / "journal.db")
    yield box
    box.journal.close()


async def test_alarms_go_before_the_backlog_of_timings(box):
    alarm = (5, "bad", "motor", "m", "alarm", "normal", "3 of 5", 2.0, 1.0)
    timing = (1, 2, "motor", "m", "cpu", "invoke", 9, 1, 2, 3, 4)
    box.journal.append({"timing": [timing] * 300, "alarm": [alarm]})
    await box.run()
    assert [kind for kind, _ in box.server.taken][:2] == ["alarm", "timing"]


async def test_a_failure_of_predictions_holds_no_other_kind(box):
    def send(kind, rows):
        box.server.sends += 1
        if kind == "prediction":
            return Retry("HTTP 500")
        box.server.taken += [(kind, row) for row in rows]
        return Delivered()

    box.server.send = send
    box.journal.append({"prediction": [prediction(1)], "alarm": [ALARM]})

    class Later(Time):
        async def __call__(self, event, seconds):
            if len(self.waits) % 10 == 0:
                box.journal.append({"alarm": [ALARM]})
            await super().__call__(event, seconds)

    stop = asyncio.Event()
    delivery = box.delivery(pause=Later(stop, 100))
    box.stop = stop
    await delivery.run(stop)
    assert len(box.server.taken) == 11
    # 1 + 2 + 4 + … s, and once more at the stop: the alarms wake it at no time.
    assert box.server.sends - 11 == 8
    assert delivery.status.state == "away"
    assert "prediction rows: HTTP 500" in delivery.status.reason


async def test_alarms_are_the_first_rows_after_an_outage_of_every_kind(box):
    down = True

    def send(kind, rows):
        if down:
            return Retry("HTTP 503")
        box.server.taken += [(kind, row) for row in rows]
        return Delivered()

    class Outage(Time):
        async def __call__(self, event, seconds):
            nonlocal down
            await super().__call__(event, seconds)
            down = self.now_s < 150

    box.server.send = send
    rows = {"prediction": [prediction(1)], "alarm": [ALARM], "event": [event(1)]}
    box.journal.append(rows)
    stop = asyncio.Event()
    delivery = box.delivery(pause=Outage(stop, 200))
    box.stop = stop
    await delivery.run(stop)
    assert [kind for kind, _ in box.server.taken] == ["alarm", "event", "prediction"]


async def test_the_newest_predictions_go_before_a_long_backlog(box):
    box.journal.append({"prediction": [prediction(n) for n in range(1, 1001)]})
    box.server.answers = [NoAnswer("down")]
    box.server.batch_rows = 100

    class Live(Time):
        async def __call__(self, event, seconds):
            box.journal.append({"prediction": [prediction(1001)], "alarm": [ALARM]})
            await super().__call__(event, seconds)

    stop = asyncio.Event()
    delivery = box.delivery(pause=Live(stop, 2))
    box.stop = stop
    await delivery.run(stop)
    kinds = [kind for kind, _ in box.server.taken]
    assert kinds[0] == "alarm"
    ends = [row[0] // 10 for kind, row in box.server.taken if kind == "prediction"]
    assert ends[0] >= 900
    assert 1001 in ends[:101]
    backlog = [n for n in ends if n < ends[0]]
    assert backlog == list(range(1, ends[0]))
    assert sorted(set(ends)) == list(range(1, 1002))
    assert len(ends) <= 1003
    assert box.offset("prediction") >= 1001
    assert delivery.status.backlog == 0


async def test_a_refused_row_among_the_newest_is_found_in_order(box):
    box.journal.append({"prediction": [prediction(n) for n in range(1, 1001)]})
    box.server.refused = {9500}
    status = await box.run()
    taken = {row[0] // 10 for _, row in box.server.taken}
    assert taken == set(range(1, 1001)) - {950}
    assert status.set_aside == 1
    assert box.offset("prediction") == 1000


async def test_rows_sent_ahead_are_sent_again_after_a_step_of_the_clock(box):
    box.journal.append({"prediction": [prediction(n) for n in range(1, 1001)]})
    send = box.server.send

    def stepped(kind, rows):
        if len(box.server.taken) == 300:
            box.journal.restamp(7, {})
        return send(kind, rows)

    box.server.send = stepped
    await box.run()
    ends = [row[0] for _, row in box.server.taken]
    assert ends[:100] == [n * 10 for n in range(901, 1001)]
    assert ends[-100:] == [n * 10 + 7 for n in range(901, 1001)]
    assert box.offset("prediction") == 1000


async def test_a_sink_that_chooses_kinds_gets_no_other_rows(tmp_path):
    box = Box(tmp_path / "journal.db")
    box.server.kinds = ("alarm", "event")
    box.journal.append(
        {"prediction": [prediction(n) for n in range(500)], "alarm": [ALARM]}
    )
    status = await box.run()
    assert [kind for kind, _ in box.server.taken] == ["alarm"]
    assert (status.state, status.sent, status.backlog) == ("ok", 1, 0)
    box.journal.close()


async def test_a_sink_that_opens_late_leaves_no_kind_held(tmp_path):
    box = Box(tmp_path / "journal.db")
    box.journal.append({"prediction": [prediction(1)], "alarm": [ALARM]})
    delivery = box.delivery(waits=3)
    opens = iter([OSError("no"), OSError("no")])

    def open_sink():
        for error in opens:
            raise error
        box.server.kinds = ("alarm",)
        return box.server

    delivery._open_sink = open_sink
    await delivery.run(box.stop)
    assert delivery.status.state == "ok"
    assert [kind for kind, _ in box.server.taken] == ["alarm"]
    box.journal.close()

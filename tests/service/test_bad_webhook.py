"""A delivery through the webhook sink to receivers that answer badly."""

from __future__ import annotations

import json
import random

import pytest
from delivery_box import ServedBox
from scripted_server import Reset, reply, scripted_server

from sensorml.sinks.webhook import Options, Sink


def alarm(n):
    return (n, "bad", "motor", "m", "alarm", "normal", "3 of 5", 2.0, 1.0)


def event(n):
    return (n, "k", "s", "", "", f"row {n}", None)


class Box(ServedBox):
    """A delivery to a receiver, which keeps what it accepts."""

    def __init__(self, folder, server):
        def open_sink(options):
            hook = {"url": f"{server.url}/hook"}
            return Sink(Options(**hook | options), {"device": "pi"})

        super().__init__(folder, server, open_sink)
        self.stored: dict[str, str] = {}
        """Kinds by the ids of messages."""

    def accept(self, request):
        self.stored[request.headers["webhook-id"]] = json.loads(request.body)["type"]
        return reply(200, "{}")

    async def deliver(self, *, until, **options):
        return await super().deliver(until=until, longest_s=1_000_000, **options)


@pytest.fixture
def box(tmp_path):
    with scripted_server() as server:
        box = Box(tmp_path, server)
        yield box
        box.journal.close()


BAD = [
    lambda: reply(200, "<html>log in", content_type="text/html"),
    lambda: reply(301, location="https://elsewhere"),
    lambda: reply(401, "token"),
    lambda: reply(404, "no hook"),
    lambda: reply(429, retry_after="Fri, 31 Dec 9999 23:59:59 -1200"),
    lambda: reply(500, "oops"),
    lambda: reply(503, "x" * 200_000, retry_after="3"),
    Reset,
    lambda: Reset(b"HTTP/1.1 2"),
    lambda: Reset(b"HTTP/1.1 500 X\r\nContent-Length: 99\r\n\r\nhalf"),
    lambda: b"",
    lambda: b"SSH-2.0-OpenSSH\r\n\r\n",
]


@pytest.mark.parametrize("seed", range(3))
async def test_a_receiver_that_answers_in_every_bad_way_loses_no_row(box, seed):
    rng = random.Random(seed)

    def answer(request):
        return rng.choice(BAD)() if rng.random() < 0.5 else box.accept(request)

    box.server.answer = answer
    box.journal.append(
        {
            "alarm": [alarm(n) for n in range(40)],
            "event": [event(n) for n in range(40)],
        }
    )
    status = await box.deliver(until=lambda: len(box.stored) == 80)
    assert (status.sent, status.backlog) == (80, 0)
    ids = [f"pi/{kind}/{n}" for kind in ("alarm", "event") for n in range(1, 41)]
    assert sorted(box.stored) == sorted(ids)
    assert box.letters == []


async def test_an_answer_that_is_lost_repeats_the_key_and_not_the_row(box):
    lose = iter([True, False])

    def answer(request):
        box.accept(request)
        return Reset() if next(lose, False) else reply(204)

    box.server.answer = answer
    box.journal.append({"alarm": [alarm(1)]})
    await box.deliver(until=lambda: len(box.server.requests) == 2)
    first, again = box.server.requests
    assert first.headers["webhook-id"] == again.headers["webhook-id"] == "pi/alarm/1"
    assert first.body == again.body
    assert len(box.stored) == 1


async def test_a_row_that_is_refused_alone_is_set_aside(box):
    def answer(request):
        return reply(422, "bad") if b"row 3" in request.body else box.accept(request)

    box.server.answer = answer
    box.journal.append({"event": [event(n) for n in range(9)]})
    status = await box.deliver(until=lambda: len(box.stored) == 8)
    assert (status.state, status.set_aside) == ("ok", 1)
    [letter] = box.letters
    assert letter.first_id == 4


async def test_a_receiver_that_refuses_every_row_loses_none(box):
    box.server.answer = lambda _request: reply(400, "unknown type")
    box.journal.append({"event": [event(n) for n in range(9)]})
    status = await box.deliver(until=lambda: len(box.server.requests) > 30)
    assert status.state == "refused"
    assert box.letters == []

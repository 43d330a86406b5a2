"""A delivery through the InfluxDB sink to servers that answer badly."""

from __future__ import annotations

import random

import pytest
from delivery_box import ServedBox
from scripted_server import Reset, Silence, reply, scripted_server

from sensorml.sinks.influxdb import Options, Sink

ALARM = (5, "bad", "motor", "m", "alarm", "normal", "3 of 5", 2.0, 1.0)


def event(n):
    return (n, "k", "s", "", "", f"row {n}", None)


def timing(n):
    return (n, n + 1, "motor", "m", "cpu", "invoke", 9, 1, 2, 3, 4)


class Box(ServedBox):
    """A delivery to a scripted server, which stores what it accepts."""

    def __init__(self, folder, server):
        def open_sink(options):
            database = {"url": server.url, "api": "v3", "database": "d"}
            return Sink(Options(**database | options), {"device": "pi"})

        super().__init__(folder, server, open_sink)
        self.stored: list[str] = []

    def accept(self, request):
        self.stored += request.lines
        return reply(204)

    async def deliver(self, *, until, **options):
        return await super().deliver(until=until, longest_s=100_000, **options)


@pytest.fixture
def box(tmp_path):
    with scripted_server() as server:
        box = Box(tmp_path, server)
        yield box
        box.journal.close()


def numbers(lines):
    """Return the times of lines, which are the numbers of their rows."""
    return [int(line.rpartition(" ")[2]) for line in lines]


@pytest.mark.parametrize("seed", range(4))
async def test_a_server_that_answers_in_every_bad_way_loses_no_row(box, seed):
    rng = random.Random(seed)
    bad = [
        lambda: reply(200, "<html>log in", content_type="text/html"),
        lambda: reply(301, location="https://elsewhere"),
        lambda: reply(401, "token"),
        lambda: reply(404, "no bucket"),
        lambda: reply(413),
        lambda: reply(429, retry_after="Fri, 31 Dec 9999 23:59:59 -1200"),
        lambda: reply(500, "engine closed"),
        lambda: reply(503, "x" * 200_000, retry_after="3"),
        Reset,
        lambda: Reset(b"HTTP/1.1 2"),
        lambda: Reset(b"HTTP/1.1 500 X\r\nContent-Length: 99\r\n\r\nhalf"),
        lambda: b"",
        lambda: b"SSH-2.0-OpenSSH\r\n\r\n",
    ]

    def answer(request):
        return rng.choice(bad)() if rng.random() < 0.6 else box.accept(request)

    box.server.answer = answer
    box.journal.append(
        {
            "event": [event(n) for n in range(500)],
            "timing": [timing(n) for n in range(500)],
        }
    )
    status = await box.deliver(
        until=lambda: len(set(box.stored)) == 1000, batch_rows=50
    )
    assert status.sent == 1000
    assert len(box.stored) == len(set(box.stored)) == 1000
    assert box.letters == []
    assert status.set_aside == 0


async def test_one_bad_line_in_a_thousand_is_set_aside_alone(box):
    def answer(request):
        if any(n % 1000 == 7 for n in numbers(request.lines)):
            return reply(400, "unable to parse")
        return box.accept(request)

    box.server.answer = answer
    box.journal.append({"event": [event(n) for n in range(5000)]})
    status = await box.deliver(until=lambda: len(box.stored) == 4995)
    assert sorted(numbers(box.stored)) == [n for n in range(5000) if n % 1000 != 7]
    assert [x.first_id - 1 for x in box.letters] == [7, 1007, 2007, 3007, 4007]
    assert (status.state, status.set_aside) == ("ok", 5)
    assert len(box.server.requests) < 200


async def test_500_for_one_kind_holds_no_other(box):
    def answer(request):
        if request.lines[0].startswith("timing"):
            return reply(500, "no")
        return box.accept(request)

    box.server.answer = answer
    box.journal.append({"timing": [timing(1)], "event": [event(1)], "alarm": [ALARM]})
    status = await box.deliver(until=lambda: box.now_s > 300)
    assert sorted(line.split(",")[0] for line in box.stored) == ["alarm", "event"]
    assert status.state == "away"
    assert len(box.server.requests) < 25
    assert len(box.events) == 1


async def test_a_link_that_carries_forty_rows_delivers_all(box):
    def answer(request):
        return Silence() if len(request.lines) > 40 else box.accept(request)

    box.server.answer = answer
    box.journal.append({"event": [event(n) for n in range(400)]})
    status = await box.deliver(
        until=lambda: len(box.stored) == 400, timeout_s=0.15, batch_rows=300
    )
    assert numbers(box.stored) == list(range(400))
    assert status.sent == 400


async def test_a_full_series_limit_keeps_the_rows_and_asks_once_a_minute(box):
    box.server.answer = lambda request: reply(
        422, f"max-series-per-database limit exceeded dropped={len(request.lines)}"
    )
    box.journal.append({"event": [event(n) for n in range(3000)]})
    status = await box.deliver(until=lambda: box.now_s > 600)
    assert status.state == "refused"
    assert "max-series-per-database limit exceeded" in status.reason
    assert box.letters == []
    # A batch, or a few single rows, and the newest row; the first time without gzip.
    assert len(box.server.requests) < 12 * 10
    box.server.answer = box.accept
    status = await box.deliver(until=lambda: len(box.stored) >= 3000)
    assert set(numbers(box.stored)) == set(range(3000))
    assert (status.state, status.sent, status.set_aside) == ("ok", 3000, 0)


async def test_a_token_with_a_blank_holds_and_a_corrected_one_delivers(box, tmp_path):
    token = tmp_path / "token"
    token.write_text("one two")
    box.server.answer = box.accept
    box.journal.append({"event": [event(1)]})

    def correct():
        if box.now_s > 100:
            token.write_text("\ufeffone\r\n")
        return bool(box.stored)

    await box.deliver(until=correct, token_file=str(token))
    assert [e["state"] for e in box.events] == ["held", "ok"]
    assert "character 4" in box.events[0]["detail"]
    assert box.server.requests[0].headers["authorization"] == "Token one"

"""The InfluxDB sink and its delivery against real servers."""

from __future__ import annotations

import asyncio
import math
import socket
import time

import pytest

from sensorml.interfaces import Delivered, Hold, NoAnswer
from sensorml.sinks.influxdb import Options, Sink
from sensorml.storage.delivery import Delivery
from sensorml.storage.journal import Journal
from sensorml.storage.letters import Letters
from sensorml.storage.line_protocol import TIME
from sensorml.storage.reader import Reader
from sensorml.storage.retry_policy import RetryPolicy
from sensorml.storage.tables import COLUMNS, KINDS, TAGS, TYPES

T0 = 1_700_000_000_123_456_789
TAG = {"device": "pi 4, hall=2"}


def prediction(n, score=0.1):
    start_ns = T0 + n * 320_000_000
    return (
        *(start_ns, start_ns + 512_000_001, "motor", "m", "1.0", "cpu"),
        *(score + n, 2.5, "normal", 1.0, 2**53 + n, 90_001, 401, 15_003, 502),
        *(0, 'say "hi" \\ a,b=c', 0.75),
    )


ROWS = {
    "prediction": prediction(0),
    "alarm": (T0, "bad, very", "motor", "m", "alarm", "normal", "3 of 5", 1e-7, 2.5),
    "event": (T0, "sensor", "motor", "stale", "ok", "no data\nfor 2 s – µ", 2.0),
    "timing": (T0, T0 + 1, "motor", "m", "cpu", "invoke", 31, 1, 2, 3, 4),
    "sensor": (T0, T0 + 1, "motor", "ok", 801.5, 8015, 3, 1, 7, 2, 55_000, 0),
    "feature": (T0, T0 + 1, "motor", "m", "01 25 Hz", "dB", 20.0, 30.0, -41.5),
    "box": (
        *(T0, "0.1.0", "motor ok", 1, 0, 2, 61.5, 1, "throttled now", 0.25),
        *(1_000_000, 70_000_000, 2**40, 9_000_000, 3, 10**9),
    ),
    "sink": (T0, "influxdb", "away", "HTTP 503", 12, 1),
}


@pytest.fixture
def send(tmp_path):
    """A function that sends rows as a delivery does, through a journal."""
    journal = Journal.open(tmp_path / "sent.db")
    last_id = 0

    def send(sink, kind, *rows):
        nonlocal last_id
        journal.append({kind: rows})
        reader = Reader.open(journal.path)
        try:
            stored = reader.rows(kind, last_id, len(rows))
        finally:
            reader.close()
        last_id = stored[-1][-1]
        return sink.send(kind, stored)

    yield send
    journal.close()


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def v1(server, database="plant", **options):
    options = Options(url=server.url, api="v1", database=database, **options)
    return Sink(options, TAG)


def expected(kind, row):
    """Return a row as SELECT * returns it: columns, time, and the device's tags."""
    row = [v.replace("\n", " ") if isinstance(v, str) else v for v in row]
    values = TAG | dict(zip(COLUMNS[kind], row, strict=True))
    return {"time" if name == TIME[kind] else name: v for name, v in values.items()}


def test_influxdb_1_stores_every_column_exactly(influxd, kind, send):
    sink = v1(influxd, "exact")
    assert send(sink, kind, ROWS[kind]) == Delivered()
    sink.close()
    assert influxd.rows("exact", kind) == [expected(kind, ROWS[kind])]


def test_rows_arrive_without_gzip(influxd, send):
    sink = v1(influxd, "plain", gzip=False)
    assert send(sink, "event", ROWS["event"]) == Delivered()
    sink.close()
    assert len(influxd.rows("plain", "event")) == 1


def test_nan_is_absent_and_the_rest_of_the_row_arrives(influxd, send):
    sink = v1(influxd, "gaps")
    rows = [prediction(0), prediction(1, score=math.nan), prediction(2)]
    assert send(sink, "prediction", *rows) == Delivered()
    sink.close()
    scores = [row["score"] for row in influxd.rows("gaps", "prediction")]
    assert scores == [0.1, None, 2.1]


def test_victoria_metrics_stores_every_number(victoria, kind, send):
    options = Options(url=victoria.url, api="v2", org="any", bucket="any")
    sink = Sink(options, TAG)
    assert send(sink, kind, ROWS[kind]) == Delivered()
    sink.close()
    values = dict(zip(COLUMNS[kind], ROWS[kind], strict=True))
    time_ms = values[TIME[kind]] // 1_000_000
    samples = victoria.samples(f"{kind}_.*")
    numbers = {
        f"{kind}_{name}": [(time_ms, pytest.approx(value, rel=1e-9))]
        for name, value in values.items()
        if name not in TAGS[kind]
        and name != TIME[kind]
        and TYPES[kind][name] in {"INTEGER", "REAL"}
    }
    assert {name: s for name, s in samples.items() if name in numbers} == (numbers)


def test_a_wrong_password_holds_and_a_right_one_delivers(
    guarded_influxd, tmp_path, send
):
    create = "CREATE USER plant WITH PASSWORD 'right' WITH ALL PRIVILEGES"
    guarded_influxd.post("/query", q=create)
    password = tmp_path / "password"
    sink = v1(guarded_influxd, username="plant", password_file=str(password))
    missing = send(sink, "event", ROWS["event"])
    password.write_text("wrong\n")
    wrong = send(sink, "event", ROWS["event"])
    password.write_text("right\n")
    right = send(sink, "event", ROWS["event"])
    sink.close()
    assert isinstance(missing, Hold)
    assert "password_file" in missing.reason.what
    assert isinstance(wrong, Hold)
    assert "HTTP 401" in wrong.reason.what
    assert right == Delivered()


def test_a_server_without_the_v2_api_is_held_with_a_hint(influxd, send):
    options = Options(url=influxd.url, api="v2", org="o", bucket="b")
    sink = Sink(options, {})
    outcome = send(sink, "event", ROWS["event"])
    sink.close()
    assert isinstance(outcome, Hold)
    assert "check url, api" in outcome.reason.cure


def test_an_address_without_a_server_is_no_answer(servers, send):
    url = f"http://127.0.0.1:{servers.free_port()}"
    sink = Sink(Options(url=url, api="v1", database="x", timeout_s=2), {})
    outcome = send(sink, "event", ROWS["event"])
    sink.close()
    assert outcome == NoAnswer(f"{url} did not answer: Connection refused")


def test_a_server_that_does_not_answer_is_no_answer(send):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        sink = Sink(Options(url=url, api="v1", database="x", timeout_s=1), {})
        outcome = send(sink, "event", ROWS["event"])
        sink.close()
    reason = f"{url} did not answer within timeout_s = 1"
    assert outcome == NoAnswer(reason, timed_out=True)


class Box:
    """A journal whose rows are delivered to a server until none is left."""

    def __init__(self, path, sink):
        self.path = path
        self.sink = sink
        self.journal = Journal.open(path)
        self.events = []
        self.now_s = 0.0
        self.stop = asyncio.Event()
        self.before_each_wait = lambda seconds: None

    async def acknowledge(self, kind, last_id, letters):
        self.journal.acknowledge("plant", kind, last_id, letters)

    async def pause(self, _event, seconds):
        """Return at once; stop at a wait for new rows, when all rows are delivered."""
        self.now_s += seconds
        self.before_each_wait(seconds)
        if self.delivery.status.state == "ok":
            self.stop.set()
        await asyncio.sleep(0)

    async def deliver(self, batch_rows):
        self.sink.batch_rows = batch_rows
        self.delivery = Delivery(
            "plant",
            lambda: self.sink,
            self.path,
            acknowledge=self.acknowledge,
            report=lambda **event: self.events.append(event),
            policy=RetryPolicy(jitter=lambda: 0.0),
            pause=self.pause,
            monotonic=lambda: self.now_s,
            stop_s=20.0,
        )
        async with asyncio.timeout(60):
            await self.delivery.run(self.stop)
        return self.delivery.status


@pytest.fixture
def box(tmp_path, own_influxd):
    box = Box(tmp_path / "journal.db", v1(own_influxd))
    yield box
    box.journal.close()


def times(server):
    return [row["time"] for row in server.rows("plant", "prediction")]


async def test_an_outage_loses_and_duplicates_no_row(box, own_influxd):
    rows = [prediction(n) for n in range(300)]
    box.journal.append({"prediction": rows})
    own_influxd.stop()
    waits = []

    def repair(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            own_influxd.start()

    box.before_each_wait = repair
    status = await box.deliver(batch_rows=50)
    assert times(own_influxd) == [row[1] for row in rows]
    assert (status.sent, status.set_aside) == (300, 0)
    assert [e["state"] for e in box.events] == ["away", "ok"]


async def test_an_outage_within_the_backlog_loses_no_row(box, own_influxd):
    rows = [prediction(n) for n in range(300)]
    box.journal.append({"prediction": rows})
    acknowledge, acknowledged = box.acknowledge, []

    async def stop_after_two(kind, last_id, letters):
        acknowledged.append(last_id)
        await acknowledge(kind, last_id, letters)
        if len(acknowledged) == 2:
            await asyncio.to_thread(own_influxd.stop)

    box.acknowledge = stop_after_two
    box.before_each_wait = lambda _: (
        own_influxd.start() if len(acknowledged) == 2 else None
    )
    status = await box.deliver(batch_rows=60)
    assert times(own_influxd) == [row[1] for row in rows]
    assert status.sent == 300
    assert acknowledged == [60, 120, 180, 300]  # the last 60 were sent first


async def test_a_batch_beyond_the_servers_limit_arrives_in_pieces(box, own_influxd):
    box.sink.close()
    box.sink = v1(own_influxd, gzip=False)
    # Each has about 300 bytes, and the server accepts 20 kB.
    rows = [prediction(n) for n in range(500)]
    box.journal.append({"prediction": rows})
    status = await box.deliver(batch_rows=500)
    assert times(own_influxd) == [row[1] for row in rows]
    assert status.set_aside == 0


async def test_a_row_in_conflict_with_the_servers_types_is_set_aside(box, own_influxd):
    own_influxd.post("/query", q='CREATE DATABASE "plant"')
    rows = [prediction(n) for n in range(64)]
    # In the shard of one row's week `score` already is a text.
    conflict = (*rows[20][:1], rows[20][1] - 10**9 * 86_400 * 30, *rows[20][2:])
    rows[20] = conflict
    _write(own_influxd, f'prediction score="text" {conflict[1] + 1}')
    box.journal.append({"prediction": rows})
    status = await box.deliver(batch_rows=64)
    stored = times(own_influxd)
    assert set(stored) - {conflict[1] + 1} == {
        row[1] for row in rows if row is not conflict
    }
    assert (status.sent, status.set_aside) == (63, 1)
    assert "field type conflict" in box.events[0]["detail"]


async def test_predictions_of_another_programs_type_are_kept(box, own_influxd):
    own_influxd.post("/query", q='CREATE DATABASE "plant"')
    rows = [prediction(n) for n in range(300)]
    _write(own_influxd, f'prediction score="text" {rows[0][1] - 1}')
    box.journal.append({"prediction": rows, "event": [ROWS["event"]]})
    waits = []

    def give_up(seconds):
        waits.append(seconds)
        if len(waits) == 130:
            box.stop.set()

    box.before_each_wait = give_up
    status = await box.deliver(batch_rows=100)
    assert status.state == "refused"
    assert "prediction rows: " in status.reason
    assert "field type conflict" in status.reason
    assert (status.sent, status.set_aside) == (1, 0)
    assert len(own_influxd.rows("plant", "event")) == 1
    assert times(own_influxd) == [rows[0][1] - 1]
    assert Letters(box.path).list() == []


async def test_rows_beyond_the_retention_pass_in_few_steps(box, own_influxd):
    own_influxd.post("/query", q='CREATE DATABASE "plant" WITH DURATION 100h')
    now_ns = time.time_ns()
    hour_ns = 3600 * 10**9
    old = [event(now_ns - 300 * hour_ns + n) for n in range(2000)]
    new = [event(now_ns - hour_ns + n) for n in range(500)]
    box.journal.append({"event": [*old, *new]})
    sends = 0
    send = box.sink.send

    def counted(kind, rows):
        nonlocal sends
        sends += 1
        return send(kind, rows)

    box.sink.send = counted
    status = await box.deliver(batch_rows=100)
    assert (status.sent, status.set_aside) == (500, 2000)
    assert len(own_influxd.rows("plant", "event")) == 500
    assert sends == 20 * 2 + 5  # a proof for each refused batch
    box.journal.flush()
    letters = [stored.letter for stored in Letters(box.path).list()]
    assert sum(letter.rows for letter in letters) == 2000
    assert "retention policy" in letters[0].reason


def event(time_ns):
    return (time_ns, "sensor", "motor", "stale", "ok", "", 2.0)


def test_a_prefix_keeps_apart_from_another_program(influxd, send):
    _create(influxd, "shared")
    sink = v1(influxd, "shared", prefix="sensorml_")
    assert send(sink, "event", ROWS["event"]) == Delivered()
    sink.close()
    assert len(influxd.rows("shared", "sensorml_event")) == 1
    assert influxd.rows("shared", "event") == []


def test_a_retention_policy_of_influxdb_1_is_written_to(influxd, send):
    _create(influxd, "policies")
    statement = (
        'CREATE RETENTION POLICY "long" ON "policies" DURATION INF REPLICATION 1'
    )
    influxd.post("/query", q=statement)
    sink = v1(influxd, "policies", retention_policy="long")
    assert send(sink, "event", ROWS["event"]) == Delivered()
    sink.close()
    assert influxd.rows("policies", "event") == []
    assert len(influxd.rows("policies", 'long"."event')) == 1


def _create(server, database):
    server.post("/query", q=f'CREATE DATABASE "{database}"')


def _write(server, line):
    import urllib.request

    request = urllib.request.Request(
        f"{server.url}/write?db=plant&precision=ns", data=line.encode()
    )
    urllib.request.urlopen(request, timeout=10).close()


def test_a_missing_token_holds_and_is_read_again(influxd, tmp_path, send):
    token = tmp_path / "token"
    sink = v1(influxd, "token", token_file=str(token))
    outcome = send(sink, "event", ROWS["event"])
    assert isinstance(outcome, Hold)
    assert str(token) in outcome.reason.what
    token.write_text("")
    assert "is empty" in send(sink, "event", ROWS["event"]).reason.what
    token.write_text("secret")
    assert send(sink, "event", ROWS["event"]) == Delivered()
    sink.close()

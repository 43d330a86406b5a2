"""The InfluxDB sink against a server that answers as each test says."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from pathlib import Path

import pytest
from scripted_server import Reset, Silence, reply, scripted_server

from sensorml.interfaces import Delivered, Hold, NoAnswer, Refused, Retry, Split
from sensorml.sinks.influxdb import Options, Sink, judge
from sensorml.storage.http_client import Reply

URL = "http://db:8086"
EVENT = (7, "sensor", "motor", "ok", "", "back", None, 1)

STATUSES = {
    200: Hold,
    201: Hold,
    202: Hold,
    204: Delivered,
    301: Hold,
    302: Hold,
    307: Hold,
    308: Hold,
    400: Refused,
    401: Hold,
    402: Hold,
    403: Hold,
    404: Hold,
    405: Hold,
    407: Hold,
    408: NoAnswer,
    410: Hold,
    413: Split,
    415: Refused,
    422: Refused,
    429: Retry,
    431: Hold,
    500: Retry,
    501: Retry,
    502: Retry,
    503: Retry,
    504: Retry,
    507: Retry,
}


@pytest.fixture
def server():
    with scripted_server() as server:
        yield server


@pytest.fixture
def sink(server):
    sink = make(server)
    yield sink
    sink.close()


def make(server, **options):
    options = {"api": "v2", "org": "o", "bucket": "b", "timeout_s": 5} | options
    return Sink(Options(url=server.url, **options), {"device": "pi"})


@pytest.mark.parametrize(("status", "outcome"), STATUSES.items())
def test_every_status_has_its_outcome(server, sink, status, outcome):
    server.answer = lambda _: reply(status, "why")
    assert isinstance(sink.send("event", [EVENT]), outcome)


def test_the_table_in_the_documentation_has_every_status():
    text = (Path(__file__).parents[3] / "docs/delivery.md").read_text("utf-8")
    in_table = set(re.findall(r"\b[2-5][0-9]{2}\b", text.partition("| HTTP")[2]))
    assert {str(status) for status in STATUSES} - in_table == {"201", "202", "501"}


def test_a_log_in_page_is_no_stored_row(server, sink):
    server.answer = lambda _: reply(200, "<html>log in", content_type="text/html")
    outcome = sink.send("event", [EVENT])
    assert outcome.reason.what == (
        f"{server.url}: answers HTTP 200 text/html: this is no InfluxDB"
    )


def test_a_redirect_names_its_target_and_the_cure(server, sink):
    server.answer = lambda _: reply(301, location="https://db.example/x")
    outcome = sink.send("event", [EVENT])
    assert "redirects to https://db.example/x" in outcome.reason.what
    assert "url" in outcome.reason.cure
    assert len(server.requests) == 1


def test_a_partial_write_counts_the_refused_rows(server, sink):
    body = '{"error":"partial write: points beyond retention policy dropped=3"}'
    server.answer = lambda _: reply(422, body)
    outcome = sink.send("event", [EVENT] * 5)
    assert isinstance(outcome, Refused)
    assert outcome.rows == 3


def test_a_count_of_none_is_no_count(server, sink):
    server.answer = lambda _: reply(400, "unable to parse 'x' dropped=0")
    assert sink.send("event", [EVENT]).rows is None


@pytest.mark.parametrize("status", [400, 415])
def test_a_server_that_refuses_gzip_gets_plain_bodies(server, sink, status):
    server.answer = lambda request: reply(status if request.is_gzip else 204)
    assert [sink.send("event", [EVENT]) for _ in range(3)] == [Delivered()] * 3
    assert [r.is_gzip for r in server.requests] == [True, False, False, False]
    assert server.requests[-1].lines[0].startswith("event,device=pi,")


def test_a_refused_row_is_not_taken_for_refused_gzip(server, sink):
    assert sink.send("event", [EVENT]) == Delivered()
    server.answer = lambda _: reply(400, "bad row")
    assert isinstance(sink.send("event", [EVENT]), Refused)
    assert [r.is_gzip for r in server.requests] == [True, True]


def test_an_endless_answer_is_bounded_in_bytes_and_time(server, sink):
    head = b"HTTP/1.1 503 Busy\r\n\r\n"
    server.answer = lambda _: (head if n == 0 else b"busy " * 999 for n in count())
    outcome = sink.send("event", [EVENT])
    assert isinstance(outcome, Retry)
    assert len(outcome.reason) < 300


def test_an_answer_of_one_line_each_two_ms_arrives(server, sink):
    def slow(_):
        for part in reply(503, "a\nb\n" * 20, retry_after="5").splitlines(True):
            time.sleep(0.002)
            yield part

    server.answer = slow
    assert sink.send("event", [EVENT]).after_s == 5.0


def test_silence_is_a_time_out(server):
    server.answer = lambda _: Silence()
    sink = make(server, timeout_s=0.2)
    outcome = sink.send("event", [EVENT])
    sink.close()
    assert outcome == NoAnswer(
        f"{server.url} did not answer within timeout_s = 0.2", timed_out=True
    )


@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 2", b"HTTP/1.1 500 X\r\nA: "])
def test_a_reset_loses_nothing(server, sink, after):
    server.answer = lambda _: Reset(after)
    assert isinstance(sink.send("event", [EVENT]), (NoAnswer, Retry))


def test_what_a_server_says_is_short_clean_and_without_the_token(server, tmp_path):
    token = tmp_path / "token"
    token.write_text("\ufeffs3cret\n")
    sink = make(server, token_file=str(token))
    server.answer = lambda r: reply(
        401, f"\x1b[2J{r.headers['authorization']}\r\n\0" + "x" * 5000
    )
    what = sink.send("event", [EVENT]).reason.what
    assert server.requests[0].headers["authorization"] == "Token s3cret"
    assert "s3cret" not in what
    assert what.isprintable()
    assert len(what) < 250


@pytest.mark.parametrize(
    ("content", "place"),
    [("abc\ndef", 4), ("ab\u200bc", 3), ("€bc", 1), ("a b", 2), ("ab\x01", 3)],
)
def test_a_token_that_no_header_carries_is_held_by_position(
    server, tmp_path, content, place
):
    token = tmp_path / "token"
    token.write_text(content)
    outcome = make(server, token_file=str(token)).send("event", [EVENT])
    assert outcome.reason.what == (
        f"{token}: token_file: character {place} cannot be sent in an HTTP header"
    )
    assert server.requests == []


def test_a_token_of_the_environment_is_checked_too(server, monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", "a\u2028b")
    outcome = make(server).send("event", [EVENT])
    assert "INFLUX_TOKEN: character 2" in outcome.reason.what


def test_the_prefix_stands_before_every_measurement(server):
    sink = make(server, prefix="sml_")
    sink.send("event", [EVENT])
    sink.close()
    assert server.requests[0].lines[0].startswith("sml_event,device=pi,kind=sensor")


def test_a_retention_policy_is_part_of_the_query(server):
    sink = make(server, api="v1", database="d", org="", bucket="", retention_policy="y")
    sink.send("event", [EVENT])
    sink.close()
    assert server.requests[0].query == {"db": "d", "precision": "ns", "rp": "y"}


def after_s(text):
    return judge(URL, Reply(429, {"retry-after": text}, b"")).after_s


def test_retry_after_is_seconds_or_a_date_and_is_capped():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    assert after_s("7") == 7.0
    assert after_s("86400") == 300.0
    assert after_s("9" * 400) == 300.0
    assert 30 < after_s(soon) <= 40
    assert after_s("Fri, 31 Dec 9999 23:59:59 GMT") == 300.0
    assert after_s("Fri, 31 Dec 9999 23:59:59 -1200") == 300.0
    assert after_s("Fri, 01 Jan 0001 00:00:00 +1200") in {0.0, 300.0}
    for nonsense in ("soon", "", "-5", "1.5", "\0", "Fri, 99 Foo"):
        assert after_s(nonsense) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "influx:8086"}, "is not a URL"),
        ({"url": "ftp://x"}, "is not a URL"),
        ({"url": "http://"}, "is not a URL"),
        ({"url": "http://x:99999"}, "is not a URL"),
        ({"url": "http://x:http"}, "is not a URL"),
        ({"url": "http://x:0"}, "port 0"),
        ({"url": "http://x y:1"}, "a blank"),
        ({"url": "http://x\n"}, "a blank"),
        ({"url": "http://[::1"}, "is not a URL"),
        ({"url": "http://a..b:1"}, "no name can be"),
        ({"url": "http://" + "a" * 64}, "no name can be"),
        ({"url": "http://-a"}, "no name can be"),
        ({"url": "http://x:8086/write?db=plant"}, "path of the API"),
        ({"url": "http://x:8086/api/v2/write"}, "path of the API"),
        ({"url": "http://x:8086/?db=a"}, "path of the API"),
        ({"url": "http://x", "api": "v1"}, "needs a database"),
        ({"url": "http://x", "api": "v2", "org": "o"}, "needs org and bucket"),
        ({"url": "http://x", "api": "v3"}, "needs a database"),
        (
            {"url": "http://x", "api": "v3", "database": "d", "username": "u"},
            "belong together",
        ),
        (
            {"url": "http://x", "api": "v3", "database": "d", "key_file": "u"},
            "add cert_file",
        ),
        (
            {"url": "http://x", "api": "v3", "database": "d", "proxy": "p:1"},
            "proxy = .* is not a URL",
        ),
    ],
)
def test_invalid_options_are_refused_with_the_reason(options, message):
    with pytest.raises(ValueError, match=message):
        Options(**options)


@pytest.mark.parametrize(
    "url", ["http://me:pa55@x:8086", "http://pa55@x", "http://:pa55@x:1/write?a=b"]
)
def test_a_password_in_a_url_is_refused_and_not_printed(url):
    with pytest.raises(ValueError, match="contains a user or a password") as error:
        Options(url=url, api="v3", database="d")
    assert "pa55" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8086",
        "https://[::1]:8086/",
        "http://my_pi.local:8086",
        "https://example.org/influx",
        "http://bücher.example",
    ],
)
def test_addresses_of_servers_are_accepted(url):
    assert Options(url=url, api="v3", database="d").url == url

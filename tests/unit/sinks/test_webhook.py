"""Rows as signed JSON, to a receiver that checks what it gets."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from typing import get_args

import pytest
from scripted_server import Reset, Silence, reply, scripted_server

from sensorml.errors import OptionError
from sensorml.interfaces import Delivered, Hold, NoAnswer, Refused, Retry, Split
from sensorml.sinks.webhook import Kind, Options, Sink
from sensorml.storage.tables import KINDS

SECRET = b64encode(bytes(range(32))).decode()
ALARM = (5, "bad", "motor", "m", "alarm", "normal", "3 of 5", 2.0, 1.0, 17)
NEXT = (2_500_000_000, "bad", "motor", "m", "normal", "alarm", "over", None, None, 18)


@pytest.fixture
def server():
    with scripted_server() as started:
        started.answer = lambda _request: reply(200, "{}")
        yield started


@pytest.fixture
def sink(server, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(f"whsec_{SECRET}\n")
    made = Sink(
        Options(url=f"{server.url}/hooks/box", secret_file=str(secret), timeout_s=0.3),
        {"device": "press 3/é"},
    )
    yield made
    made.close()


def verified(request, secret=SECRET):
    """Return whether one of the signatures fits, as Standard Webhooks has it."""
    signed = (
        f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
    ).encode() + request.body
    code = hmac.new(b64decode(secret), signed, hashlib.sha256).digest()
    expected = f"v1,{b64encode(code).decode()}"
    return expected in request.headers["webhook-signature"].split(" ")


def test_an_alarm_arrives_with_all_its_columns(server, sink):
    assert sink.send("alarm", [ALARM]) == Delivered()
    [request] = server.requests
    assert request.path == "/hooks/box"
    assert request.query == {}
    assert request.headers["content-type"] == "application/json"
    content = json.loads(request.body)
    assert content["type"] == "alarm"
    assert content["timestamp"] == "1970-01-01T00:00:00.000Z"
    assert content["data"]["device"] == "press 3/é"
    [row] = content["data"]["rows"]
    assert (row["alarm"], row["state"], row["score"], row["id"]) == (
        *("bad", "alarm", 2.0, 17),
    )


def test_a_receiver_can_verify_the_signature_and_the_time_is_part_of_it(server, sink):
    sink.send("alarm", [ALARM])
    [request] = server.requests
    assert verified(request)
    later = request.headers | {"webhook-timestamp": "99"}
    assert not verified(request._replace(headers=later))
    assert not verified(request._replace(body=request.body + b" "))


def test_a_new_secret_is_used_beside_the_old_one(server, sink, tmp_path):
    other = b64encode(bytes(range(1, 33))).decode()
    (tmp_path / "secret").write_text(f"{other}\n{SECRET}\n")
    sink.send("alarm", [ALARM])
    [request] = server.requests
    assert verified(request)
    assert verified(request, other)


def test_the_key_of_a_row_is_the_same_when_it_is_sent_again(server, sink):
    sink.send("alarm", [ALARM])
    sink.close()
    sink.send("alarm", [ALARM])
    sink.send("alarm", [NEXT])
    sink.send("event", [(5, "k", "s", "", "", "", None, 17)])
    sink.send("alarm", [ALARM, NEXT])
    assert [request.headers["webhook-id"] for request in server.requests] == [
        *("press%203%2F%C3%A9/alarm/17",) * 2,
        "press%203%2F%C3%A9/alarm/18",
        "press%203%2F%C3%A9/event/17",
        "press%203%2F%C3%A9/alarm/17-18",
    ]
    assert json.loads(server.requests[-1].body)["timestamp"].startswith(
        "1970-01-01T00:00:02.5"
    )


def test_every_kind_of_rows_can_be_chosen():
    assert set(get_args(Kind)) == set(KINDS)


HTML = reply(200, "<html>log in", content_type="text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("answer", "outcome", "words"),
    [
        (reply(200, "{}", content_type="application/json"), Delivered, ""),
        (reply(202), Delivered, ""),
        (reply(204), Delivered, ""),
        (HTML, Hold, "HTTP 200: answers with a web page"),
        (reply(301, location="https://other.example/x?k=y"), Hold, "other.example"),
        (reply(400, '{"error": "no type"}'), Refused, "HTTP 400: no type"),
        (reply(401, "who"), Hold, "check the token"),
        (reply(403), Hold, "check the token"),
        (reply(404), Hold, "check the address"),
        (reply(408), NoAnswer, "HTTP 408"),
        (reply(410), Hold, "check the address"),
        (reply(413), Split, "HTTP 413"),
        (reply(415), Hold, "takes JSON"),
        (reply(422, "bad row"), Refused, "bad row"),
        (reply(425), Retry, "HTTP 425"),
        (reply(429, retry_after="7"), Retry, "HTTP 429"),
        (reply(500, "oops"), Retry, "oops"),
        (reply(503), Retry, "HTTP 503"),
        (Reset(), NoAnswer, "did not answer"),
        (Reset(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nha"), NoAnswer, "answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", NoAnswer, "not HTTP"),
        (Silence(), NoAnswer, "within timeout_s = 0.3"),
    ],
)
def test_each_answer_has_its_outcome(server, sink, answer, outcome, words):
    server.answer = lambda _request: answer
    got = sink.send("alarm", [ALARM])
    assert isinstance(got, outcome)
    if outcome is not Delivered:
        assert words in str(got.reason)


def test_a_server_names_the_time_of_the_next_attempt(server, sink):
    server.answer = lambda _request: reply(429, retry_after="7")
    assert sink.send("alarm", [ALARM]).after_s == 7.0


def test_an_endless_body_is_cut(server, sink):
    def endless(_request):
        yield b"HTTP/1.1 503 X\r\n\r\n"
        while True:
            yield b"x" * 10_000

    server.answer = endless
    outcome = sink.send("alarm", [ALARM])
    assert isinstance(outcome, Retry)
    assert len(outcome.reason) < 300


def test_no_message_shows_the_path_the_query_or_the_token(server, tmp_path):
    token = tmp_path / "token"
    token.write_text("tk_abcdefghijk")
    path, query = "/hooks/T0123456789/secret", "sig=0123456789abcdef"
    sink = Sink(Options(url=f"{server.url}{path}?{query}", token_file=str(token)), {})

    def echo(request):
        said = f"{request.path} {query} {request.headers['authorization']}"
        return reply(400, said)

    server.answer = echo
    reason = sink.send("alarm", [ALARM]).reason
    assert "HTTP 400" in reason
    assert "Bearer ***" in reason
    assert not [x for x in ("T0123456789", "0123456789abcdef") if x in reason]
    assert server.requests[0].query == {"sig": "0123456789abcdef"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not base64!", "line 1 is not base64"),
        ("c2hvcnQ=", "has 5 bytes"),
        (f"{SECRET}\n???", "line 2 is not base64"),
        ("", "is empty"),
    ],
)
def test_a_wrong_secret_holds_and_is_not_shown(sink, tmp_path, text, words):
    (tmp_path / "secret").write_text(text)
    outcome = sink.send("alarm", [ALARM])
    assert isinstance(outcome, Hold)
    assert words in str(outcome.reason)
    assert not text or text not in str(outcome.reason)


def test_a_secret_that_is_corrected_is_read_again(sink, tmp_path):
    secret = tmp_path / "secret"
    right = secret.read_text()
    secret.write_text("?")
    assert isinstance(sink.send("alarm", [ALARM]), Hold)
    secret.write_text(right)
    assert sink.send("alarm", [ALARM]) == Delivered()


def test_the_url_may_be_in_a_file(server, tmp_path):
    file = tmp_path / "url"
    file.write_text(f"{server.url}/from/file\n")
    sink = Sink(Options(url_file=str(file)), {})
    assert sink.send("alarm", [ALARM]) == Delivered()
    assert server.requests[0].path == "/from/file"
    file.write_text("hooks.example.org/T0123456789")
    sink.close()
    outcome = sink.send("alarm", [ALARM])
    assert isinstance(outcome, Hold)
    assert "the text is not a URL" in str(outcome.reason)
    assert "T0123456789" not in str(outcome.reason)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either url or url_file"),
        ({"url": "http://h", "url_file": "x"}, "either url or url_file"),
        ({"url": "ftp://h"}, "is not a URL"),
        ({"url": "http://h:0/x"}, "port 0"),
        ({"url": "http://me:word@h/x"}, "contains a user or a password"),
        ({"url": "http://h", "kinds": ()}, "kinds is empty"),
        ({"url": "http://h", "key_file": "k"}, "no cert_file"),
        ({"url": "http://h", "proxy": "nowhere"}, "is not a URL"),
    ],
)
def test_contradicting_options_are_errors(options, words):
    with pytest.raises(OptionError, match=words):
        Options(**options)

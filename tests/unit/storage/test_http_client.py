"""The HTTP client against a server that answers as each test says."""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
from itertools import count, repeat

import pytest
from scripted_server import Reset, Silence, reply, scripted_server
from servers import certify

from sensorml.errors import SecretError
from sensorml.storage.http_client import LONGEST_REPLY, HttpClient, NoReplyError
from sensorml.tls import Tls


@pytest.fixture
def server():
    with scripted_server() as server:
        yield server


@pytest.fixture
def client(server):
    client = HttpClient(server.url, timeout_s=10)
    yield client
    client.close()


def post(client, body=b"row"):
    return client.post("/write", {"db": "a b&c"}, {"X-Test": "1"}, body)


def test_path_query_headers_and_body_arrive_as_they_are(server, client):
    post(client)
    [request] = server.requests
    assert request.path == "/write"
    assert request.query == {"db": "a b&c"}
    assert request.headers["x-test"] == "1"
    assert request.body == b"row"


def test_requests_share_one_connection(server, client):
    answers = iter([reply(204), reply(400, b"x" * 1000), reply(204), reply(500)])
    server.answer = lambda _: next(answers)
    assert [post(client).status for _ in range(4)] == [204, 400, 204, 500]
    assert server.connections == 1


def test_a_reply_has_its_status_headers_and_body(server, client):
    server.answer = lambda _: reply(503, "busy", retry_after="7")
    answer = post(client)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (
        503,
        "7",
        b"busy",
    )


def test_an_endless_reply_is_read_up_to_its_limit_and_not_reused(server, client):
    head = b"HTTP/1.1 503 Busy\r\n\r\n"
    server.answer = lambda _: (head if n == 0 else b"x" * 9999 for n in count())
    assert post(client).body == b"x" * LONGEST_REPLY
    server.answer = lambda _: reply(204)
    assert post(client).status == 204
    assert server.connections == 2


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 503 Busy\r\nContent-Length: 60000\r\n\r\n", b"HTTP/1.1 503 Busy"],
)
def test_a_reply_that_drips_ends_at_the_deadline(server, start):
    def drip(_):
        yield start
        for part in repeat(b"x"):
            time.sleep(0.02)
            yield part

    server.answer = drip
    client = HttpClient(server.url, timeout_s=0.3)
    with pytest.raises(NoReplyError, match=r"within timeout_s = 0\.3") as error:
        post(client)
    assert error.value.timed_out
    client.close()


def test_silence_is_a_time_out_in_the_users_own_number(server):
    server.answer = lambda _: Silence()
    client = HttpClient(server.url, timeout_s=0.2)
    with pytest.raises(NoReplyError, match=r"not answer within timeout_s = 0\.2$"):
        post(client)
    client.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Reset(), "Connection reset by peer"),
        (b"", "it closed the connection"),
        (Reset(b"HTTP/1.1 20"), "Connection reset by peer|its reply is not HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "its reply is not HTTP"),
    ],
)
def test_an_end_without_a_reply_is_reported_in_plain_words(
    server, client, answer, words
):
    server.answer = lambda _: answer
    with pytest.raises(NoReplyError, match=f"^did not answer: ({words})$") as error:
        post(client)
    assert not error.value.timed_out


def test_half_a_body_is_no_reply(server, client):
    head = b"HTTP/1.1 400 Bad\r\nContent-Length: 100\r\n\r\nhalf"
    server.answer = lambda _: Reset(head)
    with pytest.raises(NoReplyError, match=r"reset by peer|its reply ended early"):
        post(client)


def test_a_kept_connection_that_the_server_has_closed_is_opened_again(server, client):
    post(client)
    answers = iter([Reset(), reply(204)])
    server.answer = lambda _: next(answers)
    assert post(client).status == 204
    assert server.connections == 2


def test_a_redirect_is_returned_and_not_followed(server, client):
    server.answer = lambda _: reply(301, location=f"{server.url}/elsewhere")
    answer = post(client)
    assert (answer.status, answer.headers["location"]) == (
        301,
        f"{server.url}/elsewhere",
    )
    assert len(server.requests) == 1


def test_a_closed_client_opens_again(server, client):
    post(client)
    client.close()
    assert post(client).status == 204


def test_requests_go_through_the_proxy(server):
    client = HttpClient("http://db.example:8086", timeout_s=10, proxy=server.url)
    assert post(client).status == 204
    assert server.requests[0].headers["host"] == "db.example:8086"
    client.close()


def test_the_proxy_of_the_environment_is_used(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "localhost")
    client = HttpClient("http://db.example:8086", timeout_s=10)
    assert post(client).status == 204
    client.close()


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory):
    """A server with TLS, and the file of its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    ca, key = folder / "ca.pem", folder / "key.pem"
    certify(ca, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca, key)
    return context, str(ca), str(key)


@pytest.mark.parametrize("verify", [True, False])
def test_requests_over_tls_share_one_connection(tls_server, verify):
    context, ca, _ = tls_server
    tls = Tls(ca_file=ca) if verify else Tls(verify=False)
    with scripted_server(context) as server:
        client = HttpClient(server.url, timeout_s=10, tls=tls)
        assert [post(client).status for _ in range(3)] == [204] * 3
        client.close()
        assert server.connections == 1


def test_a_certificate_of_nobody_is_no_reply_with_the_reason(tls_server):
    with scripted_server(tls_server[0]) as server:
        client = HttpClient(server.url, timeout_s=10)
        with pytest.raises(NoReplyError, match="certificate verify failed"):
            post(client)
        client.close()


def test_a_drip_over_tls_ends_at_the_deadline(tls_server):
    def drip(_):
        yield b"HTTP/1.1 503 Busy\r\n"
        for part in repeat(b"x"):
            time.sleep(0.02)
            yield part

    with scripted_server(tls_server[0]) as server:
        server.answer = drip
        client = HttpClient(server.url, timeout_s=0.4, tls=Tls(verify=False))
        with pytest.raises(NoReplyError, match="within timeout_s"):
            post(client)
        client.close()


def test_the_clients_own_certificate_is_shown(tls_server):
    _, ca, key = tls_server
    asks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asks.load_cert_chain(ca, key)
    asks.load_verify_locations(ca)
    asks.verify_mode = ssl.CERT_REQUIRED
    with scripted_server(asks) as server:
        own = HttpClient(
            server.url, timeout_s=10, tls=Tls(ca_file=ca, cert_file=ca, key_file=key)
        )
        assert post(own).status == 204
        own.close()
        none = HttpClient(server.url, timeout_s=10, tls=Tls(ca_file=ca))
        with pytest.raises(NoReplyError):
            post(none)
        none.close()


def test_certificates_that_cannot_be_read_are_named(tmp_path):
    client = HttpClient(
        "https://127.0.0.1:9", timeout_s=1, tls=Tls(ca_file=str(tmp_path / "ca.pem"))
    )
    with pytest.raises(SecretError, match=r"ca\.pem: ca_file: cannot be used"):
        post(client)


def test_urllib3_is_imported_with_the_first_request_only():
    code = (
        "import sys; from sensorml.storage.http_client import HttpClient; "
        "HttpClient('http://x', timeout_s=1).close(); print('urllib3' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"

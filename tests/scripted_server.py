"""An HTTP server on loopback that answers each request as its test says."""

from __future__ import annotations

import os
import socket
import socketserver
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from ssl import SSLContext
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Request(NamedTuple):
    """One request; a body in gzip is unpacked."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def lines(self) -> list[str]:
        return self.body.decode().splitlines()

    @property
    def is_gzip(self) -> bool:
        return self.headers.get("content-encoding") == "gzip"


class Reset:
    """Ends the connection with a TCP reset, after some bytes."""

    def __init__(self, after: bytes = b"") -> None:
        self.after = after


class Silence:
    """Sends nothing until the server is closed."""


Answer = bytes | Iterable[bytes] | Reset | Silence


def reply(status: int, body: bytes | str = b"", **headers: str) -> bytes:
    """Return a complete reply; `content_type` is the header Content-Type."""
    if isinstance(body, str):
        body = body.encode()
    lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}"]
    if status == 204:
        lines.pop()
    lines += [f"{n.replace('_', '-').title()}: {v}" for n, v in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def stored(_request: Request) -> bytes:
    return reply(204)


class ScriptedServer(socketserver.ThreadingTCPServer):
    """Calls `answer` for each request, and sends what it returns; b"" hangs up."""

    allow_reuse_address = True

    def __init__(self, tls: SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self._tls = tls
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.server_address[1]}"
        self.answer: Callable[[Request], Answer] = stored
        self.requests: list[Request] = []
        self.connections = 0
        self.closed = threading.Event()
        self._open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self._open.add(connection)
        return connection, address

    def shutdown(self) -> None:
        """Also end what is open, so that no thread waits for a request."""
        self.closed.set()
        super().shutdown()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """Print nothing, because clients that leave are a part of the tests."""


class _Connection(socketserver.StreamRequestHandler):
    server: ScriptedServer

    def handle(self) -> None:
        self.server.connections += 1
        while (request := self._request()) is not None:
            self.server.requests.append(request)
            answer = self.server.answer(request)
            if isinstance(answer, Silence):
                self.server.closed.wait(60)
                return
            if isinstance(answer, Reset):
                self.wfile.write(answer.after)
                linger = struct.pack("ii", 1, 0)  # close() then sends a reset
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                os.close(self.connection.detach())
                return
            for part in [answer] if isinstance(answer, bytes) else answer:
                if self.server.closed.is_set():
                    return
                self.wfile.write(part)
            if answer == b"":
                return

    def _request(self) -> Request | None:
        first = self.rfile.readline().decode().split()
        if not first:
            return None
        headers: dict[str, str] = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", 0)))
        if headers.get("content-encoding") == "gzip":
            body = zlib.decompress(body, wbits=31)
        url = urlsplit(first[1])
        return Request(url.path, dict(parse_qsl(url.query)), headers, body)


@contextmanager
def scripted_server(tls: SSLContext | None = None) -> Iterator[ScriptedServer]:
    server = ScriptedServer(tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

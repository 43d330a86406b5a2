"""Connections of urllib3 with one deadline for all of a reply.

A timeout of urllib3 is for each single read, so that a server that sends a byte now
and then would hold a sink without end. Imported with the first request.
"""

from __future__ import annotations

import time
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from socket import SocketIO, socket
from typing import cast

from urllib3.connection import HTTPConnection, HTTPSConnection


class _Timed(RawIOBase):
    """The bytes of a socket, up to a deadline that begins with its time-out."""

    def __init__(self, sock: socket, raw: SocketIO) -> None:
        self._sock = sock
        self._raw = raw
        self._deadline_s = time.monotonic() + (sock.gettimeout() or float("inf"))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]  # typeshed's name is private
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._sock.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Reply(HTTPResponse):
    def __init__(
        self,
        sock: socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        raw = cast("SocketIO", self.fp.detach())
        self.fp = BufferedReader(_Timed(sock, raw))


class Connection(HTTPConnection):
    """A plain connection."""

    response_class = _Reply


class TlsConnection(HTTPSConnection):
    """A connection with TLS."""

    response_class = _Reply

"""HTTP for sinks: ready bytes over one connection that is kept, bounded replies.

With `http_deadline` the only importer of urllib3, which is imported with the first
request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from sensorml.errors import OptionError, plain_text
from sensorml.tls import Tls, tls_context

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

LONGEST_REPLY: Final = 65_536
"""Bytes of a reply that are read."""


_WRITE_PATHS: Final = ("/write", "/query", "/write_lp")
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)


def check_url(
    url: str, key: str, cure: str, schemes: Sequence[str] = ("http", "https")
) -> None:
    """Refuse a URL of a server's API at which no server can be.

    Raises:
        OptionError: with the key, and without a password that the URL contains.
    """
    check_target(url, key, cure, schemes)
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if parts.query or parts.fragment or path.endswith(_WRITE_PATHS):
        raise OptionError(
            f'{key} = "{plain_text(url)}" names a path of the API',
            f'write the address of the server alone: "{parts.scheme}://{parts.netloc}"',
        )


def check_target(
    url: str, key: str, cure: str, schemes: Sequence[str] = ("http", "https")
) -> None:
    """Refuse a URL to which nothing can be posted.

    Raises:
        OptionError: with the key, and without a password that the URL contains.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as err:
        raise OptionError(f"{key} is not a URL ({plain_text(str(err))})", cure) from err
    if parts.username is not None or parts.password is not None:
        raise OptionError(
            f"{key} contains a user or a password", "use username and password_file"
        )
    shown = f'{key} = "{plain_text(url)}"'
    if any(c.isspace() or not c.isprintable() for c in url):
        raise OptionError(f"{shown} contains a blank", "remove it")
    if parts.scheme not in schemes or not host:
        raise OptionError(f"{shown} is not a URL", cure)
    if port == 0:
        raise OptionError(f"{shown} has port 0", cure)
    if ":" not in host and not _is_host(host):
        raise OptionError(f"{shown} has the host {host}, which no name can be", cure)


def _is_host(host: str) -> bool:
    try:
        labels = host.rstrip(".").encode("idna").decode().split(".")
    except UnicodeError:
        return False
    return len(host) <= 253 and all(_HOST.fullmatch(label) for label in labels)


class Reply(NamedTuple):
    """A server's reply; `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoReplyError(OSError):
    """There was no complete reply; the message has the reason in plain words."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


class HttpClient:
    """Posts to one server. Nothing is opened before the first request.

    Redirects are not followed, and nothing is repeated except a request on a
    connection that the server had closed meanwhile.
    """

    def __init__(
        self, url: str, *, timeout_s: float, tls: Tls | None = None, proxy: str = ""
    ) -> None:
        """Prepare.

        Args:
            url: the server, with the path that stands before every other; a request
                without a path goes to this URL as it is.
            timeout_s: for the connection, for sending, and for all of the reply.
            tls: for a URL that begins with https.
            proxy: its URL; "" takes that of the environment, if any.
        """
        self._url = url
        self._timeout_s = timeout_s
        self._tls = tls or Tls()
        self._proxy = proxy
        self._manager: PoolManager | None = None
        self._used = False

    def post(
        self,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        """Post, and return the reply with at most `LONGEST_REPLY` bytes of its body.

        Raises:
            NoReplyError: the server cannot be reached, or did not reply in time.
            SecretError: a file of certificates or keys cannot be used.
        """
        url = f"{self._url.rstrip('/')}{path}" if path else self._url
        if query:
            url += f"?{urlencode(query)}"
        used, self._used = self._used, False
        try:
            reply = self._post(url, headers, body)
        except NoReplyError as err:
            if err.timed_out or not used:
                raise
            reply = self._post(url, headers, body)
        self._used = True
        return reply

    def close(self) -> None:
        if self._manager is not None:
            self._manager.clear()
            self._manager = None
        self._used = False

    def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        from urllib3.exceptions import HTTPError

        if self._manager is None:
            self._manager = self._open()
        try:
            response = self._manager.request(
                "POST",
                url,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                answer = _read(response)
            finally:
                response.close()  # and its connection, if more is to come
        except (HTTPError, OSError, ValueError) as err:
            raise _reason(err, self._timeout_s) from err
        lower = {name.lower(): text for name, text in response.headers.items()}
        return Reply(response.status, lower, answer)

    def _open(self) -> PoolManager:
        from urllib3 import PoolManager, ProxyManager

        from sensorml.storage.http_deadline import Connection, TlsConnection

        secure = urlsplit(self._url).scheme == "https"
        context = tls_context(self._tls) if secure else None
        if not self._tls.verify:
            from urllib3 import disable_warnings
            from urllib3.exceptions import InsecureRequestWarning

            disable_warnings(InsecureRequestWarning)
        if proxy := self._proxy or _environment_proxy(self._url):
            manager: PoolManager = ProxyManager(
                proxy,
                num_pools=1,
                maxsize=1,
                timeout=self._timeout_s,
                ssl_context=context,
            )
        else:
            manager = PoolManager(
                num_pools=1, maxsize=1, timeout=self._timeout_s, ssl_context=context
            )
        pool = manager.connection_from_url(self._url)
        pool.ConnectionCls = TlsConnection if secure else Connection
        return manager


def _read(response: BaseHTTPResponse) -> bytes:
    """Read a body up to its end or the limit."""
    body = b""
    while len(body) < LONGEST_REPLY:
        part = response.read1(LONGEST_REPLY - len(body))
        if not part:
            break
        body += part
    return body


def _environment_proxy(url: str) -> str:
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    return "" if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme, "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it wraps."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        for wrapped in cause.args:
            if isinstance(wrapped, BaseException):
                yield wrapped
        cause = cause.__cause__


def _reason(error: BaseException, timeout_s: float) -> NoReplyError:
    from urllib3.exceptions import (
        ConnectTimeoutError,
        NewConnectionError,
        ReadTimeoutError,
    )

    within = f"within timeout_s = {timeout_s:g}"
    causes = list(_causes(error))
    if any(isinstance(cause, NewConnectionError) for cause in causes):
        return NoReplyError(f"did not answer: {_plain(causes)}")
    if any(isinstance(cause, ConnectTimeoutError) for cause in causes):
        return NoReplyError(f"accepted no connection {within}")
    if any(isinstance(cause, (TimeoutError, ReadTimeoutError)) for cause in causes):
        return NoReplyError(f"did not answer {within}", timed_out=True)
    return NoReplyError(f"did not answer: {_plain(causes)}")


def _plain(causes: Sequence[BaseException]) -> str:
    """Return why a connection failed, in the system's words where it has some."""
    from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected

    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        if isinstance(cause, RemoteDisconnected):
            return "it closed the connection"
        if isinstance(cause, IncompleteRead):
            return "its reply ended early"
        if isinstance(cause, BadStatusLine):
            return "its reply is not HTTP"
    text = " ".join(str(causes[0]).split())
    return text.rpartition("): ")[2]  # without the repr of an object before it

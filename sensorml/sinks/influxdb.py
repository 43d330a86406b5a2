"""InfluxDB 1, 2 and 3, and servers with its write API (VictoriaMetrics).

Rows leave as line protocol in gzip. There are no retries and no queue here, because
the journal is the queue.

Endpoints: v1 `POST /write?db=&precision=ns`, v2 and v3 `POST /api/v2/write`
(InfluxDB 3 accepts it with the database as bucket and ignores the organisation).

    [[sink]]
    driver = "influxdb"
    url = "http://127.0.0.1:8086"
    api = "v2"
    org = "plant"
    bucket = "vibration"
    token_file = "/run/credentials/sensorml.service/influx-token"
"""

from __future__ import annotations

import os
import re
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta

from sensorml.errors import OptionError, Reason, SecretError, plain_text
from sensorml.files import read_header_secret, read_secret, unsendable
from sensorml.interfaces import (
    Delivered,
    Hold,
    NoAnswer,
    Outcome,
    Refused,
    Retry,
    Row,
    Split,
)
from sensorml.schema import Table
from sensorml.storage.http_client import HttpClient, NoReplyError, Reply, check_url
from sensorml.storage.line_protocol import LineEncoder
from sensorml.storage.replies import message_of, wait_s
from sensorml.tls import Tls

_GZIP_FORMAT: Final = 31
"""The `wbits` of zlib for it."""
_PLAIN: Final = {"Content-Type": "text/plain; charset=utf-8"}
_GZIP: Final = _PLAIN | {"Content-Encoding": "gzip"}


class Options(Table, frozen=True, kw_only=True):
    """Keys of its `[[sink]]` table."""

    url: str
    api: Literal["v1", "v2", "v3"] = "v2"
    database: str = ""
    retention_policy: str = ""
    """Of v1; "" is the database's default."""
    org: str = ""
    bucket: str = ""
    prefix: Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]*$")] = ""
    """Stands before each measurement, in a database that others write to as well."""
    token_file: str | None = None
    username: str | None = None
    password_file: str | None = None
    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 10.0
    batch_rows: Annotated[int, Meta(ge=1, le=100_000)] = 2000
    gzip: bool = True
    verify_tls: bool = True
    ca_file: str | None = None
    cert_file: str | None = None
    """The client's own certificate."""
    key_file: str | None = None
    proxy: str | None = None
    """Its URL; by default that of the environment."""

    def __post_init__(self) -> None:
        check_url(self.url, "url", 'write "http://127.0.0.1:8086"')
        if self.proxy is not None:
            check_url(self.proxy, "proxy", 'write "http://127.0.0.1:3128"')
        if self.api == "v1" and not self.database:
            raise OptionError('api = "v1" needs a database', 'add database = "name"')
        if self.api == "v2" and not (self.org and self.bucket):
            raise OptionError('api = "v2" needs org and bucket', "add both")
        if self.api == "v3" and not (self.database or self.bucket):
            raise OptionError('api = "v3" needs a database', 'add database = "name"')
        if self.retention_policy and self.api != "v1":
            raise OptionError('retention_policy is for api = "v1"', "remove it")
        if (self.username is None) != (self.password_file is None):
            raise OptionError("username and password_file belong together", "add both")
        if self.key_file is not None and self.cert_file is None:
            raise OptionError("has a key_file and no cert_file", "add cert_file")


class Sink:
    """One database. Nothing is opened, imported or read before the first send."""

    def __init__(self, options: Options, tags: Mapping[str, str]) -> None:
        self.batch_rows = options.batch_rows
        self._options = options
        self._encoder = LineEncoder(tags, prefix=options.prefix)
        tls = Tls(
            verify=options.verify_tls,
            ca_file=options.ca_file,
            cert_file=options.cert_file,
            key_file=options.key_file,
        )
        self._client = HttpClient(
            options.url,
            timeout_s=options.timeout_s,
            tls=tls,
            proxy=options.proxy or "",
        )
        self._authorization: str | None = None
        self._gzip = options.gzip
        self._gzip_works = False
        if options.api == "v1":
            self._path = "/write"
            self._query = {"db": options.database, "precision": "ns"}
            if options.retention_policy:
                self._query["rp"] = options.retention_policy
        else:
            self._path = "/api/v2/write"
            bucket = options.bucket or options.database
            self._query = {"bucket": bucket, "precision": "ns"}
            if options.org:
                self._query["org"] = options.org

    def send(self, kind: str, rows: Sequence[Row]) -> Outcome:
        lines = self._encoder.encode(kind, rows)
        if not lines:
            return Delivered()
        try:
            outcome = self._write(lines)
        except SecretError as err:
            outcome = Hold(err.reason)
        if isinstance(outcome, Hold):
            self.close()  # so that the next attempt reads the secrets again
        return outcome

    def close(self) -> None:
        self._client.close()
        self._authorization = None

    def _write(self, lines: bytes) -> Outcome:
        outcome = self._post(lines)
        if isinstance(outcome, Hold) and "database not found" in outcome.reason.what:
            statement = f'CREATE DATABASE "{_identifier(self._options.database)}"'
            created = self._request("/query", {"q": statement}, {}, b"")
            if isinstance(created, NoAnswer) or created.status != 200:
                return outcome
            outcome = self._post(lines)
        return outcome

    def _post(self, lines: bytes) -> Outcome:
        """Post in gzip, or plain to a server that refuses gzip."""
        if not self._gzip:
            return self._judged(_PLAIN, lines)
        # `gzip.compress` would write the time, which can be out of its range.
        outcome = self._judged(_GZIP, zlib.compress(lines, 1, wbits=_GZIP_FORMAT))
        if isinstance(outcome, Delivered):
            self._gzip_works = True
        if isinstance(outcome, Refused) and not self._gzip_works:
            plain = self._judged(_PLAIN, lines)
            if isinstance(plain, Delivered):
                self._gzip = False
            return plain
        return outcome

    def _judged(self, headers: Mapping[str, str], body: bytes) -> Outcome:
        reply = self._request(self._path, self._query, headers, body)
        if isinstance(reply, NoAnswer):
            return reply
        return judge(self._options.url, reply, secrets=[self._authorization or ""])

    def _request(
        self,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply | NoAnswer:
        if self._authorization is None:
            self._authorization = _authorization(self._options)
        headers = dict(headers)
        if self._authorization:
            headers["Authorization"] = self._authorization
        try:
            return self._client.post(path, query, headers, body)
        except NoReplyError as err:
            return NoAnswer(f"{self._options.url} {err}", err.timed_out)


def judge(url: str, reply: Reply, *, secrets: Sequence[str] = ()) -> Outcome:
    """Return what a server's reply to a write means; docs/delivery.md has the table.

    >>> judge("http://db", Reply(413, {}, b""))
    Split(reason='http://db: HTTP 413')
    >>> judge("http://db", Reply(503, {"retry-after": "7"}, b"busy"))
    Retry(reason='http://db: HTTP 503: busy', after_s=7.0)
    >>> body = b'{"message": "unauthorized"}'
    >>> print(judge("http://db", Reply(401, {}, body)).reason)
    http://db: HTTP 401: unauthorized: check the token or user and its permissions
    """
    status = reply.status
    if status == 204:
        return Delivered()
    words = [word for secret in secrets for word in (secret, *secret.split()[1:])]
    message = message_of(reply.body, words)
    said = f"{url}: HTTP {status}" + (f": {message}" if message else "")
    if status in {400, 415, 422}:
        return Refused(said, _dropped(message))
    if status == 413:
        return Split(said)
    if status == 408:
        return NoAnswer(said, timed_out=True)
    if status == 429 or status >= 500:
        return Retry(said, wait_s(reply.headers.get("retry-after", "")))
    return Hold(_hold(url, reply, said, words))


def _hold(url: str, reply: Reply, said: str, secrets: Sequence[str]) -> Reason:
    """Return why rows wait for a person, by the status of the reply."""
    status = reply.status
    if status < 300:
        kind = plain_text(reply.headers.get("content-type", ""), longest=40)
        what = f"{url}: answers HTTP {status} {kind}".rstrip()
        return Reason(f"{what}: this is no InfluxDB", "check url and any proxy")
    if status < 400:
        to = plain_text(reply.headers.get("location", "nowhere"), secrets=secrets)
        what = f"{url}: HTTP {status}: redirects to {to}"
        return Reason(what, "write the address of the server itself in url")
    if status in {401, 403}:
        return Reason(said, "check the token or user and its permissions")
    return Reason(said, "check url, api, and that the bucket or database exists")


def _dropped(message: str) -> int | None:
    """Return how many rows were refused, where the server has stored the others.

    >>> _dropped("partial write: points beyond retention policy dropped=3")
    3
    """
    found = re.search(r"\bdropped=([0-9]{1,9})\b", message)
    return int(found[1]) or None if found else None


def _identifier(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _authorization(options: Options) -> str:
    """Return the header that carries the token or the password; "" without one.

    Raises:
        SecretError: its file cannot be used.
    """
    if options.username is not None and options.password_file is not None:
        password = read_secret(options.password_file, "password_file")
        pair = f"{options.username}:{password}".encode()
        return f"Basic {b64encode(pair).decode()}"
    if options.token_file is not None:
        return f"Token {read_header_secret(options.token_file, 'token_file')}"
    token = os.environ.get("INFLUX_TOKEN", "").strip()
    if (place := unsendable(token)) is not None:
        raise SecretError(
            f"INFLUX_TOKEN: character {place} cannot be sent in an HTTP header",
            "set the variable to the token alone",
        )
    return f"Token {token}" if token else ""

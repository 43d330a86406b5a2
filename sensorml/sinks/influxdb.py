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

import json
import os
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Final, Literal

from msgspec import Meta

from sensorml.errors import OptionError, Reason, SecretError
from sensorml.files import read_secret
from sensorml.interfaces import Delivered, Hold, Outcome, Retry, Row, Split
from sensorml.schema import Table
from sensorml.storage.http_client import HttpClient, NoReplyError, Tls
from sensorml.storage.line_protocol import LineEncoder

_LONGEST_WAIT_S: Final = 300.0
_GZIP: Final = 31
"""zlib's `wbits` of the gzip format."""
_PLAIN: Final = {"Content-Type": "text/plain; charset=utf-8"}


class Options(Table, frozen=True, kw_only=True):
    """Keys of its `[[sink]]` table."""

    url: str
    api: Literal["v1", "v2", "v3"] = "v2"
    database: str = ""
    org: str = ""
    bucket: str = ""
    token_file: str | None = None
    username: str | None = None
    password_file: str | None = None
    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 10.0
    batch_rows: Annotated[int, Meta(ge=1, le=100_000)] = 2000
    gzip: bool = True
    verify_tls: bool = True

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise OptionError(
                f'url = "{self.url}" is not a URL', 'write "http://127.0.0.1:8086"'
            )
        if self.api == "v1" and not self.database:
            raise OptionError('api = "v1" needs a database', 'add database = "name"')
        if self.api == "v2" and not (self.org and self.bucket):
            raise OptionError('api = "v2" needs org and bucket', "add both")
        if self.api == "v3" and not (self.database or self.bucket):
            raise OptionError('api = "v3" needs a database', 'add database = "name"')
        if (self.username is None) != (self.password_file is None):
            raise OptionError("username and password_file belong together", "add both")


class Sink:
    """One database. Nothing is opened, imported or read before the first send."""

    def __init__(self, options: Options, tags: Mapping[str, str]) -> None:
        self.batch_rows = options.batch_rows
        self._options = options
        self._encoder = LineEncoder(tags)
        self._client = HttpClient(
            options.url,
            timeout_s=options.timeout_s,
            tls=Tls(verify=options.verify_tls),
        )
        self._authorization: Mapping[str, str] | None = None
        if options.api == "v1":
            self._path = "/write"
            self._query = {"db": options.database, "precision": "ns"}
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

    def _write(self, body: bytes) -> Outcome:
        headers = _PLAIN
        if self._options.gzip:
            headers = _PLAIN | {"Content-Encoding": "gzip"}
            # `gzip.compress` would write the time, which can be out of its range.
            body = zlib.compress(body, 1, wbits=_GZIP)
        outcome = self._post(self._path, self._query, headers, body)
        if isinstance(outcome, Hold) and "database not found" in outcome.reason.what:
            statement = f'CREATE DATABASE "{_identifier(self._options.database)}"'
            created = self._post("/query", {"q": statement}, _PLAIN, b"")
            if not isinstance(created, Delivered):
                return outcome
            outcome = self._post(self._path, self._query, headers, body)
        return outcome

    def _post(
        self,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Outcome:
        if self._authorization is None:
            self._authorization = _authorization(self._options)
        url = self._options.url
        try:
            reply = self._client.post(
                path, query, {**headers, **self._authorization}, body
            )
        except NoReplyError as err:
            return Retry(f"{url} {err}")
        return judge(
            url, reply.status, reply.headers, reply.body.decode("utf-8", "replace")
        )


def judge(url: str, status: int, headers: Mapping[str, str], body: str) -> Outcome:
    """Return what a server's reply means for the rows that were sent.

    >>> judge("http://db", 413, {}, "")
    Split(reason='http://db: HTTP 413')
    >>> judge("http://db", 503, {"Retry-After": "7"}, "busy")
    Retry(reason='http://db: HTTP 503: busy', after_s=7.0)
    >>> print(judge("http://db", 401, {}, '{"message": "unauthorized"}').reason)
    http://db: HTTP 401: unauthorized: check the token or user and its permissions
    """
    if 200 <= status < 300:
        return Delivered()
    reply = f"{url}: HTTP {status}"
    if message := _message(body):
        reply = f"{reply}: {message}"
    if status in {400, 413, 422}:
        return Split(reply)
    if status in {401, 403}:
        return Hold(Reason(reply, "check the token or user and its permissions"))
    if status == 404:
        return Hold(
            Reason(reply, "check url, api, and that the bucket or database exists")
        )
    after = next((v for k, v in headers.items() if k.lower() == "retry-after"), "")
    return Retry(reply, _wait_s(after))


def _message(body: str) -> str:
    """Return the message in the body of a reply, on one line of limited length."""
    try:
        message = json.loads(body)
    except ValueError:
        message = body
    if isinstance(message, dict):
        message = message.get("message") or message.get("error") or body
    return " ".join(str(message).split())[:300]


def _wait_s(retry_after: str) -> float | None:
    """Return the seconds in a Retry-After header (a number or a date), capped."""
    if retry_after.strip().isdecimal():
        return min(float(retry_after), _LONGEST_WAIT_S)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    wait_s = (date.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return min(max(wait_s, 0.0), _LONGEST_WAIT_S)


def _identifier(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _authorization(options: Options) -> Mapping[str, str]:
    """Return the header that carries the token or the password.

    Raises:
        SecretError: its file cannot be used.
    """
    if options.username is not None and options.password_file is not None:
        password = read_secret(options.password_file, "password_file")
        pair = f"{options.username}:{password}".encode()
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}
    if options.token_file is not None:
        token = read_secret(options.token_file, "token_file")
    else:
        token = os.environ.get("INFLUX_TOKEN", "").strip()
    return {"Authorization": f"Token {token}"} if token else {}

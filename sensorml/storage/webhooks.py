"""JSON over HTTP to services of others: keys, signature, and the usual statuses.

Signatures follow Standard Webhooks (standardwebhooks.com): the headers `webhook-id`,
`webhook-timestamp` and `webhook-signature`, the HMAC-SHA256 of `id.timestamp.body`.
"""

from __future__ import annotations

import hmac
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta

from sensorml.errors import OptionError, Reason, SecretError, plain_text
from sensorml.files import read_secret, shown
from sensorml.interfaces import (
    Delivered,
    Hold,
    NoAnswer,
    Outcome,
    Refused,
    Retry,
    Split,
)
from sensorml.schema import Table
from sensorml.storage.http_client import (
    HttpClient,
    NoReplyError,
    Reply,
    check_target,
    check_url,
)
from sensorml.storage.replies import message_of, wait_s
from sensorml.tls import Tls

_KEY_BYTES: Final = range(24, 65)
"""The length of a secret, by the specification."""
_PREFIX: Final = "whsec_"
_SHORT: Final = 12
"""So short a path of a URL is no secret."""
_URL: Final = 'write "https://example.org/hooks/press-3"'


class HttpOptions(Table, frozen=True, kw_only=True):
    """The keys of every table that posts to a service."""

    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 10.0
    verify_tls: bool = True
    ca_file: str | None = None
    cert_file: str | None = None
    """The client's own certificate."""
    key_file: str | None = None
    proxy: str | None = None
    """Its URL; by default that of the environment."""

    def __post_init__(self) -> None:
        if self.proxy is not None:
            check_url(self.proxy, "proxy", 'write "http://127.0.0.1:3128"')
        if self.key_file is not None and self.cert_file is None:
            raise OptionError("has a key_file and no cert_file", "add cert_file")

    def client(self, url: str) -> HttpClient:
        """Return a client for one URL; nothing is opened."""
        tls = Tls(self.verify_tls, self.ca_file, self.cert_file, self.key_file)
        return HttpClient(
            url, timeout_s=self.timeout_s, tls=tls, proxy=self.proxy or ""
        )


class UrlOptions(HttpOptions, frozen=True, kw_only=True):
    """The same with a URL, which may be a secret and is then in a file."""

    url: str | None = None
    url_file: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.url is None) == (self.url_file is None):
            raise OptionError("needs either url or url_file", "give exactly one")
        if self.url is not None:
            check_target(self.url, "url", _URL)

    def target(self) -> str:
        """Return the URL.

        Raises:
            SecretError: the file with the URL cannot be used.
        """
        if self.url is not None:
            return self.url
        file = self.url_file or ""
        url = read_secret(file, "url_file")
        try:
            check_target(url, "url_file", _URL)
        except OptionError as err:
            what = f"{shown(file)}: url_file: the text is not a URL"
            raise SecretError(what, "write the URL alone into it") from err
        return url


def keys_of(secret_file: str) -> list[bytes]:
    """Read the secrets for signatures, one a line, each in base64.

    Raises:
        SecretError: the file cannot be used.
    """
    keys = []
    where = f"{shown(secret_file)}: secret_file"
    for i, line in enumerate(read_secret(secret_file, "secret_file").split(), 1):
        try:
            key = b64decode(line.removeprefix(_PREFIX), validate=True)
        except ValueError as err:
            what = f"{where}: line {i} is not base64"
            cure = "write the secret of the receiver, or of: openssl rand -base64 32"
            raise SecretError(what, cure) from err
        if len(key) not in _KEY_BYTES:
            what = f"{where}: line {i} has {len(key)} bytes"
            raise SecretError(what, "write 24 to 64 bytes in base64")
        keys.append(key)
    return keys


def signed(
    keys: Sequence[bytes], message_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """Return the headers of a message; without a key there is no signature.

    >>> key = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> body = b'{"test": 2432232314}'
    >>> signed([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)[
    ...     "webhook-signature"]
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    content = f"{message_id}.{timestamp_s}.".encode() + body
    headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp_s)}
    if keys:
        headers["webhook-signature"] = " ".join(
            f"v1,{b64encode(hmac.digest(key, content, 'sha256')).decode()}"
            for key in keys
        )
    return headers


class JsonClient:
    """Posts JSON to one service, and judges its replies.

    `name` stands for the service in messages, because its URL may be a secret.
    """

    def __init__(
        self, options: HttpOptions, url: str, *, secrets: Sequence[str] = ()
    ) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.scheme}://{parts.netloc}"
        self._client = options.client(url)
        hidden = (parts.query, parts.path)
        self._secrets = [*secrets, *(text for text in hidden if len(text) > _SHORT)]

    def post(self, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Post a body of JSON; no exception but SecretError is raised."""
        all_headers = {"Content-Type": "application/json", **headers}
        try:
            reply = self._client.post("", {}, all_headers, body)
        except NoReplyError as err:
            return NoAnswer(f"{self.name} {err}", err.timed_out)
        return judge(self.name, reply, secrets=self._secrets)

    def close(self) -> None:
        self._client.close()


def encoded(content: object) -> bytes:
    """Return JSON in UTF-8; NaN and text that is no UTF-8 are errors."""
    return json.dumps(
        content, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def judge(name: str, reply: Reply, *, secrets: Sequence[str] = ()) -> Outcome:
    """Return what a service's reply means; docs/delivery.md has the table.

    >>> judge("http://hook", Reply(202, {}, b""))
    Delivered()
    >>> judge("http://hook", Reply(429, {"retry-after": "7"}, b"busy"))
    Retry(reason='http://hook: HTTP 429: busy', after_s=7.0)
    >>> print(judge("http://hook", Reply(410, {}, b"")).reason)
    http://hook: HTTP 410: check the address, the service does not have it
    """
    status = reply.status
    said = f"{name}: HTTP {status}"
    if message := message_of(reply.body, secrets):
        said += f": {message}"
    outcome: Outcome
    match reply.status:
        case 400 | 422:
            outcome = Refused(said)
        case 413:
            outcome = Split(said)
        case 408:
            outcome = NoAnswer(said, timed_out=True)
        case status if status in {425, 429} or status >= 500:
            outcome = Retry(said, wait_s(reply.headers.get("retry-after", "")))
        case status if status >= 300:
            outcome = Hold(_hold(name, reply, said))
        case status if "html" in reply.headers.get("content-type", "").lower():
            why = "answers with a web page: a log-in page, or a wrong address"
            outcome = Hold(Reason(f"{name}: HTTP {status}: {why}", "check the address"))
        case _:
            outcome = Delivered()
    return outcome


def _hold(name: str, reply: Reply, said: str) -> Reason:
    """Return why a message waits for a person, by the status of the reply."""
    status = reply.status
    if status < 400:
        to = urlsplit(reply.headers.get("location", ""))
        where = plain_text(f"{to.scheme}://{to.netloc}") if to.netloc else "elsewhere"
        what = f"{name}: HTTP {status}: redirects to {where}"
        return Reason(what, "write the address of the service itself")
    if status in {401, 403, 407}:
        return Reason(said, "check the token, the secret and the permissions")
    if status in {404, 410}:
        return Reason(said, "check the address, the service does not have it")
    return Reason(said, "check the address, and that the service takes JSON")


def now_s() -> int:
    """Return the time of a signature."""
    return time.time_ns() // 1_000_000_000

"""A program of one's own: rows as signed JSON, posted to a URL.

One request for each row (or for `batch_rows` of them), with the headers of Standard
Webhooks. `webhook-id` is the same whenever a row is sent again: device, kind and id.

    [[sink]]
    driver = "webhook"
    url = "https://example.org/hooks/press-3"
    secret_file = "/etc/sensorml/webhook-secret"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal
from urllib.parse import quote

from msgspec import Meta

from sensorml.errors import OptionError, SecretError
from sensorml.files import read_header_secret
from sensorml.interfaces import Hold, Outcome, Row
from sensorml.storage.reader import row_id
from sensorml.storage.tables import COLUMNS, INSTANTS
from sensorml.storage.webhooks import (
    JsonClient,
    UrlOptions,
    encoded,
    keys_of,
    now_s,
    signed,
)

_LONGEST_ID: Final = 256

Kind = Literal[
    "alarm", "event", "prediction", "sensor", "timing", "box", "sink", "feature"
]


class Options(UrlOptions, frozen=True, kw_only=True):
    """Keys of its `[[sink]]` table."""

    kinds: tuple[Kind, ...] = ("alarm", "event")
    """The rows that are sent."""
    batch_rows: Annotated[int, Meta(ge=1, le=10_000)] = 1
    """The most rows of a request."""
    secret_file: str | None = None
    """The secrets of the signature in base64, one a line; None: no signature."""
    token_file: str | None = None
    """A token for the header `Authorization: Bearer`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.kinds:
            raise OptionError("kinds is empty", 'write kinds = ["alarm", "event"]')


class Sink:
    """One URL. Nothing is opened or read before the first send."""

    def __init__(self, options: Options, tags: Mapping[str, str]) -> None:
        self.batch_rows = options.batch_rows
        self.kinds: Sequence[str] = options.kinds
        self._options = options
        self._device = tags.get("device", "")
        self._client: JsonClient | None = None
        self._keys: list[bytes] = []
        self._headers: dict[str, str] = {}

    def send(self, kind: str, rows: Sequence[Row]) -> Outcome:
        try:
            client = self._client or self._open()
            message_id = self._id(kind, rows)
            body = encoded(self._body(kind, rows))
            headers = signed(self._keys, message_id, now_s(), body)
            outcome = client.post(body, headers | self._headers)
        except SecretError as err:
            outcome = Hold(err.reason)
        if isinstance(outcome, Hold):
            self.close()  # so that the next attempt reads the secrets again
        return outcome

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _open(self) -> JsonClient:
        options = self._options
        self._keys = keys_of(options.secret_file) if options.secret_file else []
        self._headers = {}
        token = ""
        if options.token_file is not None:
            token = read_header_secret(options.token_file, "token_file")
            self._headers["Authorization"] = f"Bearer {token}"
        self._client = JsonClient(options, options.target(), secrets=[token])
        return self._client

    def _id(self, kind: str, rows: Sequence[Row]) -> str:
        """Return the key by which a receiver recognises what it has already."""
        device = quote(self._device, safe="")[:_LONGEST_ID]
        first, last = row_id(rows[0]), row_id(rows[-1])
        return f"{device}/{kind}/{first}" + (f"-{last}" if last != first else "")

    def _body(self, kind: str, rows: Sequence[Row]) -> object:
        columns = (*COLUMNS[kind], "id")
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        return {
            "type": kind,
            "timestamp": _time(rows[-1][columns.index(INSTANTS[kind][-1])]),
            "data": {"device": self._device, "rows": named},
        }


def _time(time_ns: object) -> str:
    """Return a time in ISO 8601, cut to ms."""
    assert isinstance(time_ns, int)  # noqa: S101 - the tables are STRICT
    time = datetime.fromtimestamp(time_ns // 10**9, UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time_ns // 10**6 % 1000:03}Z"

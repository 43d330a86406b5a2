"""Replies of servers, in parts that every sink over HTTP needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from sensorml.errors import plain_text

_LONGEST_WAIT_S: Final = 300.0


def message_of(body: bytes, secrets: Sequence[str] = ()) -> str:
    """Return the message in the body of a reply, on one line of limited length.

    >>> message_of(b'{"error": "no such bucket"}')
    'no such bucket'
    """
    text = body.decode("utf-8", "replace")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = text
    if isinstance(message, dict):
        message = message.get("message") or message.get("error") or text
    return plain_text(str(message), secrets=secrets)


def wait_s(retry_after: str) -> float | None:
    """Return the seconds in a Retry-After header (a number or a date), capped.

    >>> wait_s("7"), wait_s("99999"), wait_s("soon")
    (7.0, 300.0, None)
    """
    if retry_after.strip().isdecimal():
        return min(float(retry_after), _LONGEST_WAIT_S)
    try:
        date = parsedate_to_datetime(retry_after)
        seconds = (date.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except OverflowError:  # the year 9999 in another time zone
        return _LONGEST_WAIT_S
    except ValueError:
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)

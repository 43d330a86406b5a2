"""Requests to the running service, and its answers: one line of JSON each.

A request is `{"do": NAME, …}`. Its answers follow on the same connection, each
`{"is": NAME, …}`, until the service closes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self, TypeAlias

import msgspec
import numpy as np

from sensorml.interfaces import SensorOptions
from sensorml.types import NO_ROWS, Block

Settings: TypeAlias = dict[str, msgspec.Raw]
"""Values of keys, as JSON."""


class _Request(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="do",
    tag=str.lower,
):
    """The base of all requests."""


class _Answer(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag=str.lower):
    """The base of all answers; fields of later versions are ignored."""


class Record(_Request, frozen=True, kw_only=True):
    """The blocks of a sensor, until the connection is closed."""

    sensor: str
    settings: Settings = {}
    """Its settings as the program that asks has read them, see `settings`; without
    them, those of the service are accepted."""


class Acknowledge(_Request, frozen=True, kw_only=True):
    """An alarm has been seen; a latched one may clear."""

    alarm: str
    by: str = ""
    """The person who has seen it."""


class Done(_Answer, frozen=True, kw_only=True):
    """The request is met."""


class Opened(_Answer, frozen=True, kw_only=True):
    """The service has the sensor; its rows follow."""


class Unknown(_Answer, frozen=True, kw_only=True):
    """The service has no sensor of that name."""


class Rows(_Answer, frozen=True, kw_only=True):
    """A block; the fields are those of `types.Block`."""

    samples: bytes
    """Float32, little endian, row by row; base64 in JSON."""
    rows: int
    start_ns: int
    rate_hz: float
    missed: int
    clipped: tuple[int, ...]
    age_ns: int
    jitter_ns: int
    duplicated: int
    frozen: bool

    @classmethod
    def of(cls, block: Block, *, missed: int) -> Self:
        """Return the answer for a block; `missed` rows before it are lost."""
        return cls(
            samples=block.samples.astype("<f4").tobytes(),
            rows=len(block.samples),
            start_ns=block.start_ns,
            rate_hz=block.rate_hz,
            missed=missed,
            clipped=tuple(block.clipped.tolist()),
            age_ns=block.age_ns,
            jitter_ns=block.jitter_ns,
            duplicated=block.duplicated,
            frozen=block.frozen,
        )

    def block(self) -> Block:
        """Return the block again."""
        samples = np.frombuffer(self.samples, "<f4").astype(np.float32)
        return Block(
            samples=samples.reshape(self.rows, -1),
            start_ns=self.start_ns,
            rate_hz=self.rate_hz,
            missed=self.missed,
            clipped=np.array(self.clipped, np.intp) if self.clipped else NO_ROWS,
            age_ns=self.age_ns,
            jitter_ns=self.jitter_ns,
            duplicated=self.duplicated,
            frozen=self.frozen,
        )


class Failed(_Answer, frozen=True, kw_only=True):
    """The sensor has failed, and is started again."""

    why: str


class Quiet(_Answer, frozen=True, kw_only=True):
    """Nothing is new, and the service is alive."""


class Ended(_Answer, frozen=True, kw_only=True):
    """There are no more rows: a recording has ended."""


class Refused(_Answer, frozen=True, kw_only=True):
    """The request cannot be met."""

    what: str
    cure: str = ""


Request: TypeAlias = Record | Acknowledge
Answer: TypeAlias = Done | Opened | Unknown | Rows | Failed | Quiet | Ended | Refused

_encoder: Final = msgspec.json.Encoder()
_answers: Final[msgspec.json.Decoder[Answer]] = msgspec.json.Decoder(Answer)
_requests: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(Request)


def line(message: Request | Answer) -> bytes:
    """Return a message with its newline."""
    return _encoder.encode(message) + b"\n"


def answer(text: bytes) -> Answer:
    """Return the answer of a line.

    Raises:
        msgspec.DecodeError: it is none that this version knows.
    """
    return _answers.decode(text)


def request(text: bytes) -> Request:
    """Return the request of a line.

    Raises:
        msgspec.DecodeError: it is none that this version knows.
    """
    return _requests.decode(text)


def settings(options: SensorOptions) -> Settings:
    """Return the settings of a sensor, the same whatever folder the program is in."""
    text = _encoder.encode(options.relative_to(Path.cwd()))
    return msgspec.json.decode(text, type=Settings)


def difference(ours: Settings, theirs: Settings) -> str:
    """Name the first key whose value differs; "" if none does.

    >>> raw = msgspec.Raw
    >>> difference({"rate_hz": raw(b"800")}, {"rate_hz": raw(b"1600")})
    'rate_hz is 800 and not 1600'
    """
    for key in [*ours, *theirs]:
        value, wanted = (_text(values.get(key)) for values in (ours, theirs))
        if value != wanted:
            return f"{key} is {value} and not {wanted}"
    return ""


def _text(value: msgspec.Raw | None) -> str:
    if value is None:
        return "absent"
    return msgspec.json.format(bytes(value), indent=0).decode()

"""Every error that sensorml raises on purpose.

One root, so that a caller can catch all of ours and nothing else; each leaf
also inherits the built-in that a stranger would expect. A message says what
failed, where, and what to do about it.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


def plain_text(text: str, *, secrets: Sequence[str] = (), longest: int = 200) -> str:
    r"""Return text of another program, safe to print: one short line, no secret.

    >>> plain_text("bad\n\x1b[31m token abc", secrets=["abc"])
    'bad [31m token ***'
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = re.sub(r"(?<=://)[^/@\s]+@", "***@", text[: 10 * longest])
    line = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(line.split())[:longest]


class SensormlError(Exception):
    """Catch this to catch all of ours and nothing else."""


class Reason(NamedTuple):
    """A fault and its cure; apart, so that no text has to be split again."""

    what: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.cure}" if self.cure else self.what


class Problem(NamedTuple):
    """One thing wrong with a file a person wrote: where, what, and the cure."""

    file: str
    key: str
    what: str
    cure: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, self.what) if part) + (
            f": {self.cure}" if self.cure else ""
        )


class ReasonedError(SensormlError):
    """An error that keeps its reason, for a table; the text is "what: cure"."""

    def __init__(self, what: str, cure: str = "") -> None:
        self.reason = Reason(what, cure)
        super().__init__(str(self.reason))


class OptionError(ReasonedError, ValueError):
    """The values of a table contradict each other, or name what does not exist."""


class ConfigError(SensormlError, ValueError):
    """A file the user wrote cannot be used; `problems` holds every reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class PluginError(ReasonedError, LookupError):
    """A driver, a sink or a kind of feature is not there or cannot be used."""


class MissingExtraError(SensormlError, ImportError):
    """A library of an optional extra is not installed."""


class RecordingError(SensormlError, ValueError):
    """A recording cannot be read, or does not fit the model."""


class NoChannelError(RecordingError):
    """A recording lacks a channel that was asked for."""


class ModelError(ReasonedError, ValueError):
    """A model folder or file was refused before it was run.

    `problems` are those of the folder's files, where the files are the reason.
    """

    def __init__(
        self, what: str, cure: str = "", *, problems: Sequence[Problem] = ()
    ) -> None:
        super().__init__(what, cure)
        self.problems = tuple(problems)


class DelegateError(ReasonedError, RuntimeError):
    """The delegate that was asked for cannot run the model."""


class TrainingError(SensormlError, ValueError):
    """The recordings do not make a model."""


class BusReason(StrEnum):
    """The failure on a bus, for a program; the sentence is for people."""

    NOBODY = "nobody"
    """The address is not acknowledged."""
    REFUSED = "refused"
    """The address is acknowledged, but not a byte after it."""
    BROKE_OFF = "broke_off"
    """The transfer ended early; the adapter does not say why."""
    TIMED_OUT = "timed_out"
    """The chip holds the clock, or a line."""
    STUCK = "stuck"
    """A line is held for everybody on the bus."""
    NO_ADAPTER = "no_adapter"
    """The bus itself is not there, or no longer."""
    HELD = "held"
    """A kernel driver has the address."""
    DENIED = "denied"
    """The user may not open the bus."""
    UNSUPPORTED = "unsupported"
    """The adapter cannot do such a transfer."""
    OTHER = "other"


class BusError(SensormlError, OSError):
    """A transfer on a bus or a GPIO line failed.

    `errno` says how, if known; `reason` says what that means here.
    """

    def __init__(self, *args: object, reason: BusReason = BusReason.OTHER) -> None:
        super().__init__(*args)
        self.reason = reason

    def __str__(self) -> str:
        """Leave out the number: the sentence says it in words."""
        return self.strerror or super().__str__()


class InUseError(BusError):
    """Another process of ours has the chip; `what` names it."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(errno.EBUSY, f"{what}: {cure}")
        self.what, self.cure = what, cure


class SensorError(SensormlError, RuntimeError):
    """A sensor answered, but not with something that makes sense."""


class UnsettledError(ReasonedError, RuntimeError):
    """A line changes so often that it has no level."""


class SourceEndedError(SensormlError, EOFError):
    """A source that ends (a recording) has given its last sample."""


class ServiceError(ReasonedError, RuntimeError):
    """The running service cannot do what it was asked for."""


class StoreError(SensormlError, OSError):
    """The journal cannot be written or read just now."""


class InputError(ReasonedError, OSError):
    """A small file cannot be read; the path is not part of the reason."""


class OutputError(SensormlError, OSError):
    """A file that was asked for cannot be written."""


class SecretError(SensormlError, OSError):
    """A file with a password or token cannot be used; never shows its content."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"{what}: {cure}")
        self.reason = Reason(what, cure)

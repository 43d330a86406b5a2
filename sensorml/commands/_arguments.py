"""Types of arguments that several commands have."""

from __future__ import annotations

import argparse
from math import isfinite
from pathlib import Path


def file(text: str) -> Path:
    """Return the path of a file; the empty one would be this folder."""
    if not text:
        raise argparse.ArgumentTypeError("is empty: name a file")
    return Path(text)


def name(text: str) -> str:
    """Return a name, which stands in files and in messages."""
    if not text or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no name: give letters, digits")
    return text


def seconds(text: str) -> float:
    """Return a duration.

    >>> seconds("2.5")
    2.5
    """
    return _positive(text, "no duration", "seconds")


def hertz(text: str) -> float:
    """Return a rate."""
    return _positive(text, "no rate", "Hz")


def _positive(text: str, what: str, unit: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if number <= 0 or not isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is {what}: give {unit} above 0")
    return number

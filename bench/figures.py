"""What every benchmark yields: one line of the table, and how it is printed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple


class Pair(NamedTuple):
    """Medians of what was measured in turn; the ratio is that of the pairs.

    A machine's speed drifts, between two runs by half at worst: what was
    measured side by side is compared with each other and with nothing else.
    """

    ours: float
    reference: float
    ratio: float


class Figure(NamedTuple):
    """Ours against a named reference, measured in one run."""

    what: str
    pair: Pair
    unit: str
    limit: float
    """The ratio that is promised."""
    named: str
    """What the reference is."""


class Observation(NamedTuple):
    """One figure that has no reference to be held against."""

    what: str
    value: str
    how: str


NO_GCC: Final = ("not measured", "gcc is not there, the tests' delegate needs it")
"""What is said for `value` and `how` where there is no compiler."""


def paired(
    ours: Callable[[], float], reference: Callable[[], float], rounds: int
) -> Pair:
    """Measure both in turn, A B A B …; a first round of each is thrown away."""
    ours(), reference()
    return medians([(ours(), reference()) for _ in range(rounds)])


def medians(pairs: Sequence[tuple[float, float]]) -> Pair:
    return Pair(
        statistics.median(ours for ours, _ in pairs),
        statistics.median(reference for _, reference in pairs),
        statistics.median(ours / reference for ours, reference in pairs),
    )


def table(figures: Iterable[Figure]) -> str:
    """Lay the figures out as a Markdown table, as in the README."""
    return markdown(
        ["figure", "sensorml", "reference", "ratio", "promised", "reference is"],
        [
            (
                f.what,
                f"{f.pair.ours:.3g} {f.unit}",
                f"{f.pair.reference:.3g} {f.unit}",
                f"{f.pair.ratio:.2f}"
                + ("" if f.pair.ratio <= f.limit else " (missed)"),
                f"≤ {f.limit:.3g}",
                f.named,
            )
            for f in figures
        ],
    )


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

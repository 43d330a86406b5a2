"""Figures of the benchmarks, and the tables that print them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple


class Pair(NamedTuple):
    """Medians of two measurements made in turn; the ratio is the median of the pairs'.

    The speed of a machine drifts, by up to half between two runs, so only values that
    were measured side by side are compared.
    """

    ours: float
    reference: float
    ratio: float


class Figure(NamedTuple):
    """A value of sensorml and of a named reference, measured in one run."""

    what: str
    pair: Pair
    unit: str
    limit: float
    """The largest ratio that is promised."""
    named: str
    """The name of the reference."""


class Observation(NamedTuple):
    """A figure without a reference."""

    what: str
    value: str
    how: str


NO_GCC: Final = ("not measured", "the tests' delegate needs gcc: install it")
"""`value` and `how` of an observation without a compiler."""


def paired(
    ours: Callable[[], float], reference: Callable[[], float], rounds: int
) -> Pair:
    """Measure both in turn, A B A B …, after a first round that is not counted."""
    ours(), reference()
    return medians([(ours(), reference()) for _ in range(rounds)])


def medians(pairs: Sequence[tuple[float, float]]) -> Pair:
    return Pair(
        statistics.median(ours for ours, _ in pairs),
        statistics.median(reference for _, reference in pairs),
        statistics.median(ours / reference for ours, reference in pairs),
    )


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as a Markdown table, as in the README."""
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

"""What every benchmark yields: one line of the table, and how it is printed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple


class Figure(NamedTuple):
    """Ours against a named reference, measured in one run."""

    what: str
    ours: float
    reference: float
    unit: str
    limit: float
    """The ratio that is promised."""
    named: str
    """What the reference is."""

    @property
    def ratio(self) -> float:
        return self.ours / self.reference


def paired(
    ours: Callable[[], float], reference: Callable[[], float], rounds: int
) -> tuple[float, float]:
    """Measure both in turn, A B A B …; return the medians.

    In turn, since a machine's speed drifts; a first round of each is thrown away.
    """
    ours(), reference()
    pairs = [(ours(), reference()) for _ in range(rounds)]
    return (
        statistics.median(pair[0] for pair in pairs),
        statistics.median(pair[1] for pair in pairs),
    )


def table(figures: Iterable[Figure]) -> str:
    """Lay the figures out as a Markdown table, as in the README."""
    rows: list[Sequence[str]] = [
        ("figure", "sensorml", "reference", "ratio", "promised", "reference is"),
        ("---", "---:", "---:", "---:", "---:", "---"),
    ]
    rows += [
        (
            f.what,
            f"{f.ours:.4g} {f.unit}",
            f"{f.reference:.4g} {f.unit}",
            f"{f.ratio:.3g} {'' if f.ratio <= f.limit else '(missed)'}".strip(),
            f"≤ {f.limit:.3g}",
            f.named,
        )
        for f in figures
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)

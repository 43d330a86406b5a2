"""A limit on what other programs and brokers send, so that a flood costs little."""

from __future__ import annotations

from typing import Final

MANY: Final = 10.0
"""Times `rate_hz` that may be sent without end."""
LEAST_HZ: Final = 100.0
"""Rows a second that may be sent without end, however low `rate_hz` is."""
BURST_ROWS: Final = 5000
"""Rows that may come at once, at least: a gateway may send those of an hour."""
BURST_MESSAGES: Final = 500
"""Messages that may come at once, at least; each costs much more than a row."""

_BURST_S: Final = 2.0
_SHORTEST_S: Final = 0.05


class RowLimit:
    """A token bucket for the rows of one source."""

    def __init__(self, rate_hz: float, *, burst: int = BURST_ROWS) -> None:
        self._rate_hz = rate_hz
        self._per_s = max(MANY * rate_hz, LEAST_HZ)
        self._burst = max(burst, _BURST_S * self._per_s)
        self._tokens = self._burst
        self._last_ns: int | None = None
        self._since_ns = 0
        self._rows = 0

    def exceeded(self, rows: int, now_ns: int) -> str:
        """Count rows that have come; return why they are too many, or "".

        >>> limit = RowLimit(rate_hz=1.0)
        >>> [limit.exceeded(100, now_s * 10**9) for now_s in range(1000)] == [""] * 1000
        True
        >>> limit.exceeded(5200, 1000 * 10**9)[:50]
        'sends 104000 rows a second, rate_hz says 1: correc'
        """
        last_ns = now_ns if self._last_ns is None else self._last_ns
        self._tokens = min(
            self._burst, self._tokens + (now_ns - last_ns) / 1e9 * self._per_s
        )
        self._last_ns = now_ns
        if self._tokens == self._burst:
            self._since_ns, self._rows = now_ns, 0
        self._tokens -= rows
        self._rows += rows
        if self._tokens >= 0:
            return ""
        seconds = max(_SHORTEST_S, (now_ns - self._since_ns) / 1e9)
        return (
            f"sends {self._rows / seconds:.0f} rows a second, rate_hz says "
            f"{self._rate_hz:g}: correct rate_hz, or let it send less"
        )

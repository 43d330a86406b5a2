"""channel: say what this is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sensorml.alarms.logic import AlarmLogic, Signal


class Line(Protocol):
    """An alarm's output line."""

    def set(self, signal: Signal) -> None:
        """Show it; raise BusError if the line cannot be driven."""
        ...


@dataclass(slots=True)
class Watch:
    """One alarm with its line, and what it last said."""

    logic: AlarmLogic
    line: Line | None = None
    reason: str = "no data yet"
    signal: Signal | None = None
    """What the line was last told; None: nothing, or it failed."""
    line_state: str = "ok"

    @property
    def name(self) -> str:
        return self.logic.rule.name

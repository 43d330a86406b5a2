"""Objections to recordings and to a threshold: they end a training, or are warnings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sensorml.errors import Reason, TrainingError
from sensorml.recordings import Recording
from sensorml.recordings.inspection.checks import check
from sensorml.recordings.inspection.statistics import Statistics


class Objection(NamedTuple):
    """One reason against a model."""

    path: Path
    """The recording."""
    reason: Reason
    refused: bool
    """True where the training ends; else it is a warning."""


class Objections:
    """All objections to one model.

    Attributes:
        passed_over: those that would have ended the training without `force`.
    """

    def __init__(self, *, force: bool, warn: Callable[[str], None]) -> None:
        """Start without objections.

        Args:
            force: warn only, whatever it is.
            warn: called with the sentence of each objection that does not end the
                training.
        """
        self._force = force
        self._warn = warn
        self._refused: list[str] = []
        self.passed_over: list[str] = []

    def add(self, objection: Objection) -> None:
        """Add an objection; the training does not end before `settle`."""
        path, reason, refused = objection
        if not refused:
            self._warn(f"{path}: {reason}")
        elif self._force:
            self.passed_over.append(f"{path.name}: {reason.what}")
            self._warn(f"{path}: {reason.what}: trained all the same, by force")
        else:
            self._refused.append(f"{path}: {reason}, or use --force")

    def settle(self) -> None:
        """End the training if there is a reason to.

        Raises:
            TrainingError: one line for each objection.
        """
        if self._refused:
            raise TrainingError("\n".join(self._refused))

    def to(self, recording: Recording) -> int:
        """Check a recording; return the longest run of rows in its healthy part."""
        statistics = Statistics(recording.data)
        for finding in check(recording, statistics):
            self.add(Objection(recording.path, finding.reason, finding.refused))
        return statistics.longest_usual_run

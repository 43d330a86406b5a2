"""The model card, `model.toml`: input, features, output, threshold and provenance.

`model_files` reads it and verifies the files of its folder before any of them is
loaded; `inference/tflite_file` compares it with the tensors of the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta

from sensorml.errors import OptionError, Reason
from sensorml.pipeline.extractor import FeatureSpec, Signal
from sensorml.schema import Count, Floats, Positive, Table

Share = Annotated[float, Meta(ge=0, le=1)]

CARD = "model.toml"
CPU_FILE = "model.tflite"
EDGETPU_FILE = "model_edgetpu.tflite"


class Input(Table, frozen=True, kw_only=True):
    """The samples that the model was trained on; a sensor must deliver the same."""

    channels: tuple[str, ...]
    unit: str
    rate_hz: Positive
    rate_tolerance: Share = 0.05
    window: Annotated[int, Meta(ge=2, le=1_000_000)]
    hop: Count
    min_quality: Share = 1.0
    """A window with a smaller share of real samples is not shown to the model."""
    max_clipped: Share = 0.01
    """A window with a larger share of rows at full scale is never normal."""
    frozen_rows: Annotated[int, Meta(ge=0)] = 0
    """This many consecutive identical rows mean a frozen sensor, also over several
    windows; 0: never."""

    def __post_init__(self) -> None:
        if not 1 <= self.hop <= self.window:
            raise OptionError(
                f"hop {self.hop} is not between 1 and window {self.window}",
                "a larger hop would skip samples",
            )
        if not self.channels:
            raise OptionError("channels is empty", "name at least one")
        if self.frozen_rows == 1:
            raise OptionError(
                "frozen_rows 1 would make every sensor a frozen one",
                "give 2 or more rows, or 0 for never",
            )

    def why_not(
        self,
        *,
        channels: Sequence[str],
        unit: str,
        rate_hz: float | None,
        rows: int | None = None,
    ) -> Reason | None:
        """Return why the model cannot judge such samples, or None.

        Args:
            channels: their names.
            unit: "" where it is not known.
            rate_hz: None where it is not known.
            rows: the length of a recording, whose channels must also have the names
                of the model's; None for a sensor.
        """
        names, own = ", ".join(channels), ", ".join(self.channels)
        if len(channels) != len(self.channels):
            return Reason(
                f"has {len(channels)} channels ({names}), the model takes "
                f"{len(self.channels)} ({own})",
                "choose the channels it was trained on, or train a model on these",
            )
        if rows is not None and tuple(channels) != self.channels:
            return Reason(
                f"has the channels {names}, the model takes {own}",
                "choose them, in that order, with --channels",
            )
        if unit and self.unit and unit != self.unit:
            return Reason(
                f"is in {unit}, the model takes {self.unit}",
                "convert it, or train a model in this unit",
            )
        if rate_hz and abs(rate_hz / self.rate_hz - 1) > self.rate_tolerance:
            return Reason(
                f"runs at {rate_hz:.6g} Hz, the model takes {self.rate_hz:.6g} Hz "
                f"± {self.rate_tolerance:.1%}",
                f"set rate_hz to {self.rate_hz:g}, or train a model at this rate",
            )
        if rows is not None and rows < self.window:
            return Reason(
                f"has {rows} rows, a window of the model takes {self.window}",
                "make a longer recording",
            )
        return None


class Output(Table, frozen=True, kw_only=True):
    """The rule from the model's output to a score or a label."""

    score: Literal["reconstruction", "value", "probability"] | None = None
    """reconstruction: mean squared difference of input and output, in standard
    deviations; value: the first output; probability: 1 - p(normal label), or 1 - p of
    the likeliest label where none is normal. None: reconstruction for an anomaly,
    value for a regression, probability for a classifier."""
    labels: tuple[str, ...] = ()
    normal: str = ""
    """The label of the healthy state, if there is one."""

    def __post_init__(self) -> None:
        if self.normal and self.normal not in self.labels:
            raise OptionError(
                f"normal {self.normal!r} is not one of the labels", "name one of them"
            )
        if self.score == "probability" and not self.labels:
            raise OptionError(
                "score is a probability without labels", "name the labels"
            )


class Threshold(Table, frozen=True, kw_only=True):
    """The score above which a window is an anomaly, and its calibration."""

    value: float
    quantile: Share | None = None
    windows: int | None = None
    """The number of windows that the quantile was computed from."""
    false_alarm_rate: Share | None = None
    """At most this share of normal windows is above it, at 95 % confidence."""
    date: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise OptionError(f"value is {self.value}", "give a finite number")


class Baseline(Table, frozen=True, kw_only=True):
    """The normal state when the model was trained."""

    level: Floats = ()
    """RMS without DC per channel, in the unit of the input."""
    gravity: Floats = ()
    """Mean acceleration per channel, in the unit of the input; empty: not checked."""
    max_tilt_deg: Annotated[float, Meta(gt=0, le=180)] = 5.0


class Missing(Table, frozen=True, kw_only=True):
    """The missing rows of a window that do not matter, as measured at training."""

    rows: Annotated[int, Meta(ge=0)] = 0
    """A window that lacks no more rows, in gaps that are bridged, is judged."""
    moves_score: Share | None = None
    """So many missing rows moved the score by less than this share of it, in 95 % of
    the windows that were tried."""
    windows: int | None = None
    """The number of windows that were tried."""


class Provenance(Table, frozen=True, kw_only=True):
    """The origin of the model."""

    tool: str = ""
    arch: str = ""
    seed: int | None = None
    recordings: tuple[str, ...] = ()
    forced: tuple[str, ...] = ()
    """The objections to the recordings that `--force` passed over."""
    notes: str = ""


_USUAL_SCORE: Final[dict[str, Literal["reconstruction", "value", "probability"]]] = {
    "anomaly": "reconstruction",
    "regression": "value",
    "classifier": "probability",
}


class Card(Table, frozen=True, kw_only=True):
    """One `model.toml`."""

    name: str
    version: str
    kind: Literal["anomaly", "classifier", "regression"]
    input: Input
    features: FeatureSpec
    output: Output = Output()
    threshold: Threshold
    baseline: Baseline = Baseline()
    missing: Missing = Missing()
    files: dict[str, str]
    """File name to sha256, for every .tflite in the folder."""
    provenance: Provenance = Provenance()

    def __post_init__(self) -> None:
        if CPU_FILE not in self.files:
            raise OptionError(f"files lacks {CPU_FILE}", "every model needs a CPU file")
        if self.missing.rows > self.input.window // 2:
            raise OptionError(
                f"missing.rows {self.missing.rows} is more than half a window",
                "train the model again",
            )
        if self.kind == "classifier" and not self.output.labels:
            raise OptionError("output.labels is missing", "a classifier has labels")
        if len(self.baseline.gravity) not in {0, len(self.input.channels)}:
            raise OptionError(
                "baseline.gravity needs one number per channel", "train the model again"
            )

    @property
    def signal(self) -> Signal:
        """The windows that the features are computed of."""
        model_input = self.input
        return Signal(
            len(model_input.channels),
            model_input.window,
            model_input.rate_hz,
            model_input.unit,
        )

    @property
    def score(self) -> Literal["reconstruction", "value", "probability"]:
        """The rule from the model's output to the score of a window."""
        if self.output.score is not None:
            return self.output.score
        return _USUAL_SCORE[self.kind]

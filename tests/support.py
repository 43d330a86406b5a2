"""Builders and fakes for many tests: blocks, cards, clocks, engines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np

from sensorml.errors import DelegateError
from sensorml.interfaces import Inference
from sensorml.pipeline.features import raw
from sensorml.pipeline.model_card import Card, Input, Output, Threshold
from sensorml.pipeline.model_files import sha256
from sensorml.training.tflite_writer import Dense, float_model
from sensorml.types import Block, Float32, Prediction, State

MS = 1_000_000
SECOND = 1_000_000_000


class Clock:
    """A clock that is set by the test, in ns."""

    def __init__(self, now_ns: int = 1_000 * SECOND) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def block(
    rows: object,
    *,
    start_ns: int = 0,
    rate_hz: float = 1000.0,
    missed: int = 0,
    clipped: Iterable[int] = (),
    age_ns: int = 0,
) -> Block:
    """Return a block of rows; a flat list is one channel."""
    samples = np.asarray(rows, np.float32)
    if samples.ndim == 1:
        samples = samples[:, None]
    return Block(
        samples,
        start_ns,
        rate_hz,
        missed,
        np.array(list(clipped), np.intp),
        age_ns,
    )


def prediction(score: float = 0.0, **changes: object) -> Prediction:
    """Return the judgement of a window of one second with threshold 1."""
    state = State.ANOMALY if score > 1 else State.NORMAL
    fields = {
        "window": 0,
        "start_ns": 0,
        "end_ns": SECOND,
        "score": score,
        "threshold": 1.0,
        "state": state,
        "quality": 1.0,
        "delay_ns": 0,
        "features_ns": 0,
        "quantise_ns": 0,
        "invoke_ns": 0,
        "decide_ns": 0,
    }
    return Prediction(**{**fields, **changes})


def card(*, channels: int = 1, **changes: object) -> Card:
    """Return a card of raw windows of 4 rows, hop 2, at 1 kHz; score = first output.

    The keys of `changes` are fields of the card or of its input.
    """
    of_input = {k: v for k, v in changes.items() if k in Input.__struct_fields__}
    of_card = {k: v for k, v in changes.items() if k not in of_input}
    card_input = Input(
        channels=("x", "y", "z", "u", "v")[:channels],
        unit="g",
        rate_hz=1000.0,
        window=4,
        hop=2,
    )
    whole = Card(
        name="plain",
        version="1",
        kind="anomaly",
        input=msgspec.structs.replace(card_input, **of_input),
        features=raw.Features(remove_dc=False),
        output=Output(score="value"),
        threshold=Threshold(value=1.0),
        files={"model.tflite": "0" * 64},
    )
    return msgspec.structs.replace(whole, **of_card)


def largest(features: Float32) -> Float32:
    """Return the largest feature of each window."""
    return features.max(axis=1, keepdims=True)


class FakeEngine:
    """An engine that scores by a rule, records its input, and fails on demand."""

    delegate = "fake"
    degraded = False
    why = ""

    def __init__(
        self,
        rule: Callable[[Float32], Float32] = largest,
        *,
        clock: Clock | None = None,
        quantise_ns: int = 0,
        invoke_ns: int = 0,
    ) -> None:
        self.rule = rule
        self.failing = False
        self.closed = False
        self.inputs: list[Float32] = []
        self._clock = clock
        self._stages = (quantise_ns, invoke_ns)

    @property
    def windows(self) -> int:
        """The number of windows that it has scored."""
        return sum(map(len, self.inputs))

    def infer(self, features: Float32) -> Inference:
        if self.failing:
            raise DelegateError("the fake engine fails on demand")
        self.inputs.append(features.copy())
        if self._clock is not None:
            self._clock.now_ns += sum(self._stages)
        return Inference(self.rule(features.copy()), *self._stages)

    def close(self) -> None:
        self.closed = True


CARD_TEXT = """
name = "plain"
version = "1"
kind = "anomaly"

[input]
channels = ["x"]
unit = "g"
rate_hz = 1000.0
window = 4
hop = 2

[features]
kind = "raw"
remove_dc = false

[output]
score = "value"

[threshold]
value = 1.0

[files]
"model.tflite" = "{sha256}"
"""
"""The text of `card()` as a file, with a place for the hash."""


def model_folder(folder: Path, *, text: str = CARD_TEXT) -> Path:
    """Write a model folder with a model that runs: the mean of a window of 4 rows.

    `text` is the card, in which {sha256} is replaced by the model's hash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mean = Dense(np.full((1, 4), 0.25, np.float32), np.zeros(1, np.float32), relu=False)
    model = folder / "model.tflite"
    model.write_bytes(float_model([mean]))
    (folder / "model.toml").write_text(text.replace("{sha256}", sha256(model)))
    return folder

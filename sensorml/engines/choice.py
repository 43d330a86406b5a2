"""Choose what a model runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sensorml import cards
from sensorml.engines.tflite import TfliteEngine
from sensorml.errors import ModelError
from sensorml.interfaces import Engine


def open_engine(
    folder: Path,
    card: cards.Card,
    *,
    delegate: str = "auto",
    fallback: Literal["cpu"] | None = None,
) -> Engine:
    """Load a model on the delegate of that name, or on the fallback.

    Raises:
        ModelError: the file was refused, or the delegate cannot run it.
    """
    if delegate not in {"auto", "cpu"} and fallback is None:
        raise ModelError(
            f"{folder}: this version runs models on the CPU only, not on {delegate}: "
            'write delegate = "auto", or add fallback = "cpu"'
        )
    return TfliteEngine.load(folder / cards.CPU_FILE, card)

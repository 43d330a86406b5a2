"""Tables of two signals as loggers write them, and the refusal of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorml.errors import RecordingError
from sensorml.recordings import Recording, read

NOON = 1_700_000_000_000_000_000
N = 200
RNG = np.random.default_rng(7)
X = [f"{v:.4f}" for v in RNG.normal(0, 1, N)]
Y = [f"{v:.3f}" for v in RNG.normal(9.8, 1, N)]


def table(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(*columns: object, separator: str = ",") -> str:
    """Return lines of columns: lists of texts, or functions of the row's number."""
    lines = []
    for i in range(N):
        fields = [c(i) if callable(c) else c[i] for c in columns]
        lines.append(separator.join(str(field) for field in fields))
    return "\n".join(lines) + "\n"


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(RecordingError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def is_signal(recording: Recording, *columns: list[str]) -> bool:
    wanted = np.array([[float(v) for v in c] for c in columns], np.float32).T
    return np.array_equal(recording.samples, wanted)

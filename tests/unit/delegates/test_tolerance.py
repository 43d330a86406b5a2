"""An accelerator may round differently, and must otherwise agree with the CPU."""

import numpy as np
import pytest
from support import FakeEngine

from sensorml.delegates.tolerance import COMPARED, RecentWindows, Tolerance, Windows
from sensorml.errors import DelegateError
from sensorml.inference.tflite_file import Tensor

INT8 = Tensor("output", (1, 3), "int8", (0.5,), (0,))
FLOAT = Tensor("output", (1, 3), "float32", (), ())


def row(*values):
    return np.array([values], np.float32)


def test_integers_may_differ_by_a_few_steps():
    tolerance = Tolerance.of(INT8)
    assert tolerance.why_not(row(0.0, 2.0), row(0.0, 0.0)) is None
    assert "up to 2.5," in tolerance.why_not(row(0.0, 2.5), row(0.0, 0.0)).what


def test_floats_may_differ_by_a_share_of_the_largest():
    tolerance = Tolerance.of(FLOAT)
    assert tolerance.why_not(row(0.5, 100.0), row(0.0, 100.0)) is None
    assert tolerance.why_not(row(2.0, 100.0), row(0.0, 100.0))


@pytest.mark.parametrize("tensor", [INT8, FLOAT])
def test_nan_never_agrees(tensor):
    assert Tolerance.of(tensor).why_not(row(np.nan, 0.0), row(0.0, 0.0))


def test_another_shape_never_agrees():
    reason = Tolerance(1e9).why_not(row(1, 2), row(1, 2, 3))
    assert reason.what == "its outputs have shape (2,), the CPU's (3,)"


def test_the_error_names_the_engine():
    engine = FakeEngine()
    windows = Windows(row(1, 2, 3), row(3))
    Tolerance(0.0).check(engine, windows)
    with pytest.raises(DelegateError, match=r"^fake: its outputs differ"):
        Tolerance(0.0).check(engine, windows._replace(outputs=row(2)))


def test_the_newest_windows_are_kept_as_copies():
    recent = RecentWindows()
    features = np.arange(COMPARED + 3, dtype=np.float32)[:, None]
    recent.add(features[:2], features[:2] * 2)
    assert not recent.enough
    recent.add(features[2:], features[2:] * 2)
    assert recent.enough
    features[:] = 0
    joined = recent.joined()
    assert joined.features.ravel().tolist() == list(range(3, COMPARED + 3))
    assert (joined.outputs == joined.features * 2).all()

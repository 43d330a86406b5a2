"""An accelerator may round as it likes, and compute nothing else."""

import numpy as np
import pytest
from support import FakeEngine

from sensorml.delegates.tolerance import COMPARED, Recent, Tolerance, Windows
from sensorml.errors import DelegateError
from sensorml.inference.tflite_file import Tensor

INT8 = Tensor("output", (1, 3), "int8", (0.5,), (0,))
FLOAT = Tensor("output", (1, 3), "float32", (), ())


def row(*values):
    return np.array([values], np.float32)


def test_integers_may_be_a_few_steps_apart():
    tolerance = Tolerance.of(INT8)
    assert tolerance.why_not(row(0.0, 2.0), row(0.0, 0.0)) is None
    assert "up to 2.5 away" in tolerance.why_not(row(0.0, 2.5), row(0.0, 0.0))


def test_floats_may_be_apart_by_a_share_of_the_largest():
    tolerance = Tolerance.of(FLOAT)
    assert tolerance.why_not(row(0.5, 100.0), row(0.0, 100.0)) is None
    assert tolerance.why_not(row(2.0, 100.0), row(0.0, 100.0))


@pytest.mark.parametrize("tensor", [INT8, FLOAT])
def test_what_is_no_number_never_agrees(tensor):
    assert Tolerance.of(tensor).why_not(row(np.nan, 0.0), row(0.0, 0.0))


def test_another_shape_never_agrees():
    why = Tolerance(1e9).why_not(row(1, 2), row(1, 2, 3))
    assert "outputs are (2,), the CPU's (3,)" in why


def test_an_engine_is_named_with_what_it_makes_of_windows():
    engine = FakeEngine()
    windows = Windows(row(1, 2, 3), row(3))
    Tolerance(0.0).check(engine, windows)
    with pytest.raises(DelegateError, match=r"^fake: it computes something else"):
        Tolerance(0.0).check(engine, windows._replace(outputs=row(2)))


def test_the_newest_windows_are_kept_whatever_their_owner_does_with_them():
    recent = Recent()
    features = np.arange(COMPARED + 3, dtype=np.float32)[:, None]
    recent.add(features[:2], features[:2] * 2)
    assert not recent.enough
    recent.add(features[2:], features[2:] * 2)
    assert recent.enough
    features[:] = 0
    taken = recent.taken()
    assert taken.features.ravel().tolist() == list(range(3, COMPARED + 3))
    assert (taken.outputs == taken.features * 2).all()

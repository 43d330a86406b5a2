"""The latency of an engine: how many windows are run, and what is returned."""

import threading

import numpy as np
import pytest
from support import Clock, FakeEngine

from sensorml.errors import DelegateError
from sensorml.inference.latency import RUNS, Latency, measure

FEATURES = np.ones((8, 3), np.float32)
US = 1_000


def test_a_fast_window_is_run_often():
    clock = Clock()
    engine = FakeEngine(clock=clock, invoke_ns=US)
    latency = measure(engine, FEATURES, clock=clock)
    assert latency == Latency(p50=1.0, p95=1.0, p99=1.0, runs=RUNS)
    assert engine.windows == len(FEATURES) + RUNS


def test_a_slow_window_is_run_for_a_second():
    clock = Clock()
    engine = FakeEngine(clock=clock, invoke_ns=300_000 * US)
    assert measure(engine, FEATURES, clock=clock).runs == 4


def test_a_measurement_can_be_cancelled():
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(DelegateError, match="fake: its measurement was cancelled"):
        measure(FakeEngine(), FEATURES, cancel)

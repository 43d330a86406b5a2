"""The automatic selection takes the fastest engine that agrees with the CPU."""

import threading

import numpy as np
import pytest
from support import Clock, FakeEngine, largest

from sensorml.delegates.auto import AutoSelection
from sensorml.delegates.tolerance import Tolerance, Windows
from sensorml.errors import DelegateError

FEATURES = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
WINDOWS = Windows(FEATURES, largest(FEATURES))
US = 1_000
GO = threading.Event()


class Candidate:
    """An accelerator that takes `us` a window, or fails with `error`."""

    def __init__(self, name, clock, us=0, *, error=None, rule=largest):
        self.name = name
        self.engine = FakeEngine(rule, clock=clock, invoke_ns=us * US)
        self.engine.delegate = name
        self.error = error
        self.openings = 0
        self.dropped = False

    def open(self, cancel):
        self.openings += 1
        if self.error:
            raise self.error
        return self.engine

    def drop(self):
        self.dropped = True


class Selection:
    """A selection among accelerators and a CPU that takes 100 µs a window."""

    def __init__(self, *candidates):
        self.clock = Clock()
        self.cpu = FakeEngine(clock=self.clock, invoke_ns=100 * US)
        self.candidates = [
            Candidate(name, self.clock, **how) for name, how in candidates
        ]
        self.remembered = []
        self.select = AutoSelection(
            self.candidates,
            lambda: self.cpu,
            tolerance=Tolerance(0.01),
            remember=self.remembered.append,
            clock=self.clock,
        )

    def run(self):
        return self.select(WINDOWS, GO)


def test_the_fastest_wins_and_stays_open():
    selection = Selection(
        ("slow", {"us": 50}), ("fast", {"us": 20}), ("mid", {"us": 30})
    )
    slow, fast, mid = selection.candidates
    opened = selection.run()
    assert opened.engine is fast.engine
    assert [each.engine.closed for each in (slow, fast, mid)] == [True, False, True]
    assert [each.dropped for each in (slow, fast, mid)] == [True, False, True]
    assert opened.detail == (
        "auto: cpu p95 100.0 µs, slow p95 50.0 µs, fast p95 20.0 µs, mid p95 30.0 µs: "
        "fast"
    )
    assert selection.cpu.closed
    [decision] = selection.remembered
    assert decision.winner == "fast"
    assert decision.us["slow"].p95 == 50.0


def test_on_a_small_model_the_cpu_wins_and_nothing_stays_open():
    selection = Selection(("stick", {"us": 1400}))
    opened = selection.run()
    assert opened.engine is None
    assert opened.detail.endswith("stick p95 1400.0 µs: cpu")
    assert selection.candidates[0].engine.closed
    assert selection.candidates[0].dropped
    assert selection.remembered[0].winner == "cpu"


def test_the_winner_is_opened_again_without_a_measurement():
    selection = Selection(("slow", {"us": 50}), ("fast", {"us": 20}))
    selection.run()
    measured = selection.cpu.windows
    assert selection.run().engine is selection.candidates[1].engine
    assert [each.openings for each in selection.candidates] == [1, 2]
    assert selection.cpu.windows == measured
    assert len(selection.remembered) == 1


def test_a_fast_accelerator_with_wrong_outputs_does_not_win():
    selection = Selection(("wrong", {"us": 1, "rule": lambda x: x[:, :1] * 0}))
    with pytest.raises(DelegateError, match="wrong: its outputs differ"):
        selection.run()
    assert selection.candidates[0].engine.closed
    assert selection.remembered == []


def test_a_candidate_that_does_not_open_is_reported_and_the_decision_not_kept():
    error = DelegateError("gone: no USB device")
    selection = Selection(("gone", {"error": error}), ("there", {"us": 20}))
    opened = selection.run()
    assert opened.engine is selection.candidates[1].engine
    assert opened.detail.endswith("there; gone: no USB device")
    assert selection.remembered == []


def test_when_no_candidate_opens_the_next_opening_measures_again():
    selection = Selection(
        ("stick", {"us": 20, "error": DelegateError("stick: no device")})
    )
    with pytest.raises(DelegateError, match="no device"):
        selection.run()
    selection.candidates[0].error = None
    assert selection.run().engine is selection.candidates[0].engine


def test_a_selection_can_be_cancelled():
    selection = Selection(("stick", {"us": 20}))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(DelegateError, match="cancelled"):
        selection.select(WINDOWS, cancel)
    assert selection.cpu.closed

"""The fastest that computes what the CPU computes; a measurement, not a belief."""

import threading

import numpy as np
import pytest
from support import Clock, FakeEngine, largest

from sensorml.delegates.auto import RUNS, Contest, latency
from sensorml.delegates.tolerance import Tolerance, Windows
from sensorml.errors import DelegateError

FEATURES = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
WINDOWS = Windows(FEATURES, largest(FEATURES))
US = 1_000
GO = threading.Event()


class Candidate:
    """An accelerator that takes `us` a window, or fails as it is told."""

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


class Round:
    """A contest against a CPU that takes 100 µs a window."""

    def __init__(self, *told):
        self.clock = Clock()
        self.cpu = FakeEngine(clock=self.clock, invoke_ns=100 * US)
        self.candidates = [Candidate(name, self.clock, **how) for name, how in told]
        self.remembered = []
        self.contest = Contest(
            self.candidates,
            lambda: self.cpu,
            tolerance=Tolerance(0.01),
            remember=self.remembered.append,
            clock=self.clock,
        )

    def run(self):
        return self.contest(WINDOWS, GO)


def test_the_fastest_wins_and_stays_open():
    this = Round(("slow", {"us": 50}), ("fast", {"us": 20}), ("mid", {"us": 30}))
    slow, fast, mid = this.candidates
    opened = this.run()
    assert opened.engine is fast.engine
    assert [each.engine.closed for each in (slow, fast, mid)] == [True, False, True]
    assert [each.dropped for each in (slow, fast, mid)] == [True, False, True]
    assert opened.detail == (
        "auto: cpu p95 100.0 µs, slow p95 50.0 µs, fast p95 20.0 µs, mid p95 30.0 µs: "
        "fast"
    )
    assert this.cpu.closed
    [decision] = this.remembered
    assert decision.winner == "fast"
    assert decision.us["slow"].p95 == 50.0


def test_on_a_small_model_the_cpu_wins_and_nothing_stays_open():
    this = Round(("stick", {"us": 1400}))
    opened = this.run()
    assert opened.engine is None
    assert opened.detail.endswith("stick p95 1400.0 µs: cpu")
    assert this.candidates[0].engine.closed
    assert this.candidates[0].dropped
    assert this.remembered[0].winner == "cpu"


def test_what_has_won_is_opened_again_without_a_contest():
    this = Round(("slow", {"us": 50}), ("fast", {"us": 20}))
    this.run()
    shown = this.cpu.windows
    assert this.run().engine is this.candidates[1].engine
    assert [each.openings for each in this.candidates] == [1, 2]
    assert this.cpu.windows == shown
    assert len(this.remembered) == 1


def test_one_that_lies_does_not_win_however_fast():
    this = Round(("liar", {"us": 1, "rule": lambda x: x[:, :1] * 0}))
    with pytest.raises(DelegateError, match="liar: it computes something else"):
        this.run()
    assert this.candidates[0].engine.closed
    assert this.remembered == []


def test_one_that_does_not_open_is_told_of_and_not_held_against_it_for_ever():
    error = DelegateError("gone: no USB device")
    this = Round(("gone", {"error": error}), ("there", {"us": 20}))
    opened = this.run()
    assert opened.engine is this.candidates[1].engine
    assert opened.detail.endswith("there; gone: no USB device")
    assert this.remembered == []


def test_when_none_opens_the_next_time_is_a_contest_again():
    this = Round(("stick", {"us": 20, "error": DelegateError("stick: no device")}))
    with pytest.raises(DelegateError, match="no device"):
        this.run()
    this.candidates[0].error = None
    assert this.run().engine is this.candidates[0].engine


def test_a_window_is_measured_often_and_a_slow_one_for_a_second():
    clock = Clock()
    quick = latency(FakeEngine(clock=clock, invoke_ns=US), WINDOWS, GO, clock)
    assert (quick.runs, quick.p50, quick.p95) == (RUNS, 1.0, 1.0)
    slow = latency(FakeEngine(clock=clock, invoke_ns=300_000 * US), WINDOWS, GO, clock)
    assert slow.runs == 4


def test_a_contest_can_be_given_up():
    this = Round(("stick", {"us": 20}))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(DelegateError, match="given up"):
        this.contest(WINDOWS, cancel)
    assert this.cpu.closed

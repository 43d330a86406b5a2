"""Every window is scored; the accelerator is used while it works."""

import re
import threading

import numpy as np
import pytest
from support import SECOND, Clock, FakeEngine

from sensorml.backoff import RationedBackOff
from sensorml.delegates.failover import LATE_S, FailoverEngine, Opened
from sensorml.delegates.tolerance import COMPARED, Tolerance
from sensorml.errors import DelegateError

WAIT_S = 4.0
HOP_S = 0.01


def rows(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 3)).astype(np.float32)


class Accelerated(FakeEngine):
    delegate = "edgetpu"


class Setup:
    """A fail-over engine with fakes; `engines` are the results of its openings."""

    def __init__(self, *engines, **options):
        self.clock = Clock()
        self.cpu = FakeEngine()
        self.cpu.delegate = "cpu"
        self.engines = list(engines)
        self.openings = 0
        self.may_open = threading.Event()
        self.may_open.set()
        self.changes = []
        self.engine = FailoverEngine(
            self.cpu,
            self.open,
            tolerance=Tolerance(0.01),
            hop_s=HOP_S,
            report=lambda *change: self.changes.append(change),
            back_off=RationedBackOff(first_s=WAIT_S, jitter=lambda: 1.0),
            clock=lambda: self.clock() / SECOND,
            **options,
        )

    def open(self, windows, cancel):
        self.openings += 1
        while not (self.may_open.is_set() or cancel.is_set()):
            cancel.wait(0.001)
        if cancel.is_set():
            raise DelegateError("cancelled")
        engine = self.engines.pop(0)
        if isinstance(engine, Exception):
            raise engine
        return engine if isinstance(engine, Opened) else Opened(engine)

    def score(self, n=1):
        x = rows(n)
        done = self.engine.infer(x)
        assert (done.outputs == x.max(axis=1, keepdims=True)).all()
        return self.engine.delegate

    def settle(self):
        """Score until a running opening has been taken over."""
        self.score(COMPARED)
        if self.engine._opening is not None:
            self.engine._opening.exception()
        return self.score()


@pytest.fixture
def setup():
    setups = []

    def make(*engines, **options):
        setups.append(Setup(*engines, **options))
        return setups[-1]

    yield make
    for each in setups:
        each.engine.close()
        assert each.cpu.closed


def test_the_cpu_scores_first_and_the_accelerator_takes_over(setup):
    failover = setup(Accelerated())
    assert failover.score() == "cpu"
    assert failover.engine.degraded
    assert failover.engine.why
    assert failover.settle() == "edgetpu"
    assert not failover.engine.degraded
    assert failover.engine.why == ""


def test_nothing_is_opened_before_there_are_windows_to_compare(setup):
    failover = setup(Accelerated())
    failover.score(COMPARED - 1)
    assert failover.openings == 0


def test_windows_are_scored_during_a_slow_opening(setup):
    failover = setup(Accelerated())
    failover.may_open.clear()
    for _ in range(3 * COMPARED):
        assert failover.score() == "cpu"
    assert failover.openings == 1


def test_the_window_that_the_accelerator_held_is_scored_on_the_cpu(setup):
    failing = Accelerated()
    failover = setup(failing)
    failover.settle()
    failing.failing = True
    assert failover.score(3) == "cpu"
    assert failover.engine.degraded
    assert failover.engine.why == "the fake engine fails on demand"
    failover.engine.close()
    assert failing.closed


def test_a_delegate_that_failed_is_opened_again_when_its_wait_is_over(setup):
    failing = Accelerated()
    failover = setup(failing, Accelerated())
    failover.settle()
    failing.failing = True
    failover.score()
    failover.clock.advance(WAIT_S - 0.001)
    assert failover.settle() == "cpu"
    assert failover.openings == 1
    failover.clock.advance(0.001)
    assert failover.settle() == "edgetpu"


def test_the_wait_grows_with_every_failed_opening(setup):
    reasons = [DelegateError(f"no device, {i}") for i in range(4)]
    failover = setup(*reasons)
    for i, reason in enumerate(reasons):
        assert failover.settle() == "cpu"
        assert failover.engine.why == str(reason)
        failover.clock.advance(WAIT_S * 2**i - 0.001)
        failover.settle()
        assert failover.openings == i + 1
        if i < len(reasons) - 1:
            failover.clock.advance(0.001)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (lambda x: x.max(axis=1, keepdims=True) + 0.02, "by up to 0.02,"),
        (lambda x: np.full((len(x), 1), np.nan, np.float32), "by up to nan,"),
        (lambda x: x, r"outputs have shape \(3,\), the CPU's \(1,\)"),
    ],
)
def test_an_accelerator_with_other_outputs_never_takes_over(setup, rule, why):
    wrong = Accelerated(rule)
    failover = setup(wrong)
    assert failover.settle() == "cpu"
    assert wrong.closed
    assert re.search(why, failover.engine.why)


def test_a_small_difference_is_within_tolerance(setup):
    near = Accelerated(lambda x: x.max(axis=1, keepdims=True) + 0.005)
    failover = setup(near)
    failover.score(COMPARED)
    failover.engine._opening.exception()
    failover.engine.infer(rows(1))
    assert not failover.engine.degraded


def test_an_accelerator_that_fails_its_check_is_closed(setup):
    failing = Accelerated()
    failing.failing = True
    failover = setup(failing)
    assert failover.settle() == "cpu"
    assert failing.closed


def test_the_check_uses_the_last_windows_on_the_cpu(setup):
    engine = Accelerated()
    failover = setup(engine)
    failover.may_open.clear()
    x = rows(COMPARED + 5, seed=9)
    failover.engine.infer(x)
    failover.may_open.set()
    failover.engine._opening.exception()
    assert (np.concatenate(engine.inputs) == x[-COMPARED:]).all()


def test_closing_cancels_an_opening(setup):
    failover = setup(Accelerated())
    failover.may_open.clear()
    failover.score(COMPARED)
    assert failover.openings == 1
    failover.engine.close()


def test_closing_closes_an_accelerator_that_was_not_used_yet(setup):
    unused = Accelerated()
    failover = setup(unused)
    failover.score(COMPARED)
    failover.engine._opening.exception()
    failover.engine.close()
    assert unused.closed


def test_an_unexpected_error_is_raised(setup):
    failover = setup(KeyError("a mistake"))
    with pytest.raises(KeyError):
        failover.settle()


def test_every_change_is_reported_once_with_its_reason(setup):
    failing = Accelerated()
    failover = setup(failing, *[DelegateError("no device")] * 3, Accelerated())
    failover.settle()
    failing.failing = True
    for _ in range(4):
        failover.settle()
        failover.clock.advance(100.0)
    failover.settle()
    assert failover.changes == [
        ("opening", "", ""),
        ("accelerated", "opening", "edgetpu agrees with the CPU"),
        ("degraded", "accelerated", "the fake engine fails on demand"),
        ("degraded", "", "no device"),
        ("accelerated", "degraded", "edgetpu agrees with the CPU"),
    ]


def test_an_accelerator_that_was_refused_at_the_start_is_opened_later(setup):
    failover = setup(Accelerated(), refused="no USB device")
    assert failover.changes == [("refused", "", "no USB device")]
    assert failover.score() == "cpu"
    assert failover.engine.why == "no USB device"
    assert failover.settle() == "edgetpu"
    assert failover.changes[1][:2] == ("accelerated", "refused")


def test_the_same_reason_is_reported_once(setup):
    failover = setup(*[DelegateError("no device")] * 3, refused="no device")
    for _ in range(3):
        failover.settle()
        failover.clock.advance(100.0)
    assert failover.openings == 3
    assert failover.changes == [("refused", "", "no device")]


def test_when_the_cpu_is_faster_nothing_is_opened_again(setup):
    failover = setup(Opened(None, "cpu 12 µs, edgetpu 1400 µs"), required=False)
    for _ in range(3):
        assert failover.settle() == "cpu"
        assert not failover.engine.degraded
        failover.clock.advance(1e6)
    assert failover.openings == 1
    assert failover.changes[1:] == [("cpu", "opening", "cpu 12 µs, edgetpu 1400 µs")]


def test_the_engine_is_degraded_only_after_an_accelerator_was_faster(setup):
    faster = Accelerated()
    failover = setup(DelegateError("no device"), faster, required=False)
    assert failover.settle() == "cpu"
    assert not failover.engine.degraded
    assert failover.engine.why == ""
    failover.clock.advance(WAIT_S)
    assert failover.settle() == "edgetpu"
    faster.failing = True
    failover.score()
    assert failover.engine.degraded


def test_some_windows_also_run_on_the_cpu(setup):
    engine = Accelerated()
    failover = setup(engine, spot_check=10)
    failover.settle()
    before = failover.cpu.windows
    for _ in range(27):
        failover.score()
    assert failover.cpu.windows - before == 2


def test_an_accelerator_whose_outputs_become_wrong_is_closed(setup):
    wrong = Accelerated()
    failover = setup(wrong, spot_check=10)
    failover.settle()
    wrong.rule = lambda x: x.max(axis=1, keepdims=True) + 1
    x = rows(1)
    for _ in range(10):
        done = failover.engine.infer(x)
    assert failover.engine.degraded
    assert (done.outputs == x.max(axis=1, keepdims=True)).all()
    assert re.search("its outputs differ from the CPU's", failover.engine.why)


def needs(engine, failover, seconds):
    """Make every call of an engine take so long from now on."""

    def rule(x):
        failover.clock.advance(seconds)
        return x.max(axis=1, keepdims=True)

    engine.rule = rule


def test_an_accelerator_that_falls_behind_the_windows_is_closed(setup):
    slow = Accelerated()
    failover = setup(slow)
    failover.settle()
    needs(slow, failover, 3 * HOP_S)
    used = [failover.score() for _ in range(round(LATE_S / HOP_S))]
    assert used.index("cpu") == round(LATE_S / (2 * HOP_S))
    assert failover.engine.degraded
    assert failover.engine.why == (
        "edgetpu: a window takes 30.0 ms, and there is a new one every 10 ms: "
        'train the model with a larger hop, or write delegate = "cpu"'
    )


def test_an_accelerator_that_catches_up_after_a_delay_is_kept(setup):
    late = Accelerated()
    failover = setup(late)
    failover.settle()
    for _ in range(5):
        needs(late, failover, 0.9 * LATE_S)
        failover.score()
        needs(late, failover, 0.0)
        for _ in range(round(LATE_S / HOP_S)):
            assert failover.score() == "edgetpu"


def test_a_block_of_windows_may_take_as_long_as_it_covers(setup):
    steady = Accelerated()
    failover = setup(steady)
    failover.settle()
    needs(steady, failover, 99 * HOP_S)
    for _ in range(5):
        assert failover.score(100) == "edgetpu"


def test_an_accelerator_that_is_too_slow_does_not_take_over_again(setup):
    first, slow = Accelerated(), Accelerated()
    failover = setup(first, slow)
    failover.settle()
    first.failing = True
    failover.score()
    failover.clock.advance(WAIT_S)
    needs(slow, failover, 2 * HOP_S)
    assert failover.settle() == "cpu"
    assert slow.closed
    assert "a window takes 20.0 ms," in failover.engine.why

"""Every window is scored; an accelerator is used for as long as it works."""

import itertools
import re
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
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


class House:
    """A failover engine over fakes; `engines` are what next openings yield."""

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

    def open(self, windows, given_up):
        self.openings += 1
        while not (self.may_open.is_set() or given_up.is_set()):
            given_up.wait(0.001)
        if given_up.is_set():
            raise DelegateError("given up")
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
        """Score until the opening that runs, if any, has been taken in."""
        self.score(COMPARED)
        if self.engine._opening is not None:
            self.engine._opening.exception()
        return self.score()


@pytest.fixture
def house():
    made = []

    def make(*engines, **options):
        made.append(House(*engines, **options))
        return made[-1]

    yield make
    for each in made:
        each.engine.close()
        assert each.cpu.closed


def test_the_cpu_begins_and_the_accelerator_takes_over(house):
    here = house(Accelerated())
    assert here.score() == "cpu"
    assert here.engine.degraded
    assert here.engine.why
    assert here.settle() == "edgetpu"
    assert not here.engine.degraded
    assert here.engine.why == ""


def test_nothing_is_opened_before_there_are_windows_to_compare(house):
    here = house(Accelerated())
    here.score(COMPARED - 1)
    assert here.openings == 0


def test_windows_go_on_while_an_opening_takes_its_time(house):
    here = house(Accelerated())
    here.may_open.clear()
    for _ in range(3 * COMPARED):
        assert here.score() == "cpu"
    assert here.openings == 1


def test_the_window_that_the_accelerator_held_is_scored_on_the_cpu(house):
    failing = Accelerated()
    here = house(failing)
    here.settle()
    failing.failing = True
    assert here.score(3) == "cpu"
    assert here.engine.degraded
    assert here.engine.why == "the fake engine fails on demand"
    here.engine.close()
    assert failing.closed


def test_a_delegate_that_failed_is_opened_again_when_its_wait_is_over(house):
    failing = Accelerated()
    here = house(failing, Accelerated())
    here.settle()
    failing.failing = True
    here.score()
    here.clock.advance(WAIT_S - 0.001)
    assert here.settle() == "cpu"
    assert here.openings == 1
    here.clock.advance(0.001)
    assert here.settle() == "edgetpu"


def test_one_that_does_not_open_waits_longer_every_time(house):
    reasons = [DelegateError(f"no device, {i}") for i in range(4)]
    here = house(*reasons)
    for i, reason in enumerate(reasons):
        assert here.settle() == "cpu"
        assert here.engine.why == str(reason)
        here.clock.advance(WAIT_S * 2**i - 0.001)
        here.settle()
        assert here.openings == i + 1
        if i < len(reasons) - 1:
            here.clock.advance(0.001)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (lambda x: x.max(axis=1, keepdims=True) + 0.02, "up to 0.02 away"),
        (lambda x: np.full((len(x), 1), np.nan, np.float32), "up to nan away"),
        (lambda x: x, r"outputs are \(3,\), the CPU's \(1,\)"),
    ],
)
def test_an_accelerator_that_computes_something_else_never_takes_over(house, rule, why):
    wrong = Accelerated(rule)
    here = house(wrong)
    assert here.settle() == "cpu"
    assert wrong.closed
    assert re.search(why, here.engine.why)


def test_a_small_difference_is_within_tolerance(house):
    near = Accelerated(lambda x: x.max(axis=1, keepdims=True) + 0.005)
    here = house(near)
    here.score(COMPARED)
    here.engine._opening.exception()
    here.engine.infer(rows(1))
    assert not here.engine.degraded


def test_one_that_fails_when_it_is_checked_is_closed(house):
    failing = Accelerated()
    failing.failing = True
    here = house(failing)
    assert here.settle() == "cpu"
    assert failing.closed


def test_it_is_checked_on_the_last_windows_that_the_cpu_scored(house):
    engine = Accelerated()
    here = house(engine)
    here.may_open.clear()
    x = rows(COMPARED + 5, seed=9)
    here.engine.infer(x)
    here.may_open.set()
    here.engine._opening.exception()
    assert (np.concatenate(engine.inputs) == x[-COMPARED:]).all()


def test_closing_gives_up_an_opening(house):
    here = house(Accelerated())
    here.may_open.clear()
    here.score(COMPARED)
    assert here.openings == 1
    here.engine.close()


def test_closing_closes_an_accelerator_that_nobody_has_used_yet(house):
    unused = Accelerated()
    here = house(unused)
    here.score(COMPARED)
    here.engine._opening.exception()
    here.engine.close()
    assert unused.closed


def test_what_is_not_expected_crashes(house):
    here = house(KeyError("a mistake"))
    with pytest.raises(KeyError):
        here.settle()


def test_every_change_is_told_once_with_its_reason(house):
    failing = Accelerated()
    here = house(failing, *[DelegateError("no device")] * 3, Accelerated())
    here.settle()
    failing.failing = True
    for _ in range(4):
        here.settle()
        here.clock.advance(100.0)
    here.settle()
    assert here.changes == [
        ("opening", "", ""),
        ("accelerated", "opening", "edgetpu agrees with the CPU"),
        ("degraded", "accelerated", "the fake engine fails on demand"),
        ("degraded", "", "no device"),
        ("accelerated", "degraded", "edgetpu agrees with the CPU"),
    ]


def test_one_that_was_refused_before_it_was_opened_is_tried_all_the_same(house):
    here = house(Accelerated(), refused="no USB device")
    assert here.changes == [("refused", "", "no USB device")]
    assert here.score() == "cpu"
    assert here.engine.why == "no USB device"
    assert here.settle() == "edgetpu"
    assert here.changes[1][:2] == ("accelerated", "refused")


def test_one_that_keeps_refusing_for_the_same_reason_is_told_once(house):
    here = house(*[DelegateError("no device")] * 3, refused="no device")
    for _ in range(3):
        here.settle()
        here.clock.advance(100.0)
    assert here.openings == 3
    assert here.changes == [("refused", "", "no device")]


def test_when_the_cpu_is_better_nothing_is_opened_again(house):
    here = house(Opened(None, "cpu 12 µs, edgetpu 1400 µs"), wanted=False)
    for _ in range(3):
        assert here.settle() == "cpu"
        assert not here.engine.degraded
        here.clock.advance(1e6)
    assert here.openings == 1
    assert here.changes[1:] == [("cpu", "opening", "cpu 12 µs, edgetpu 1400 µs")]


def test_an_accelerator_is_missed_only_once_it_is_known_to_be_better(house):
    better = Accelerated()
    here = house(DelegateError("no device"), better, wanted=False)
    assert here.settle() == "cpu"
    assert not here.engine.degraded
    assert here.engine.why == ""
    here.clock.advance(WAIT_S)
    assert here.settle() == "edgetpu"
    better.failing = True
    here.score()
    assert here.engine.degraded


def test_now_and_then_a_window_is_also_run_on_the_cpu(house):
    engine = Accelerated()
    here = house(engine, spot_check=10)
    here.settle()
    shown = here.cpu.windows
    for _ in range(27):
        here.score()
    assert here.cpu.windows - shown == 2


def test_an_accelerator_that_begins_to_lie_is_found_out(house):
    liar = Accelerated()
    here = house(liar, spot_check=10)
    here.settle()
    liar.rule = lambda x: x.max(axis=1, keepdims=True) + 1
    x = rows(1)
    for _ in range(10):
        done = here.engine.infer(x)
    assert here.engine.degraded
    assert (done.outputs == x.max(axis=1, keepdims=True)).all()
    assert re.search("something else than the CPU", here.engine.why)


def needs(engine, here, seconds):
    """Let an engine take so long for every call from now on."""

    def rule(x):
        here.clock.advance(seconds)
        return x.max(axis=1, keepdims=True)

    engine.rule = rule


def test_an_accelerator_that_falls_behind_the_windows_is_given_up(house):
    slow = Accelerated()
    here = house(slow)
    here.settle()
    needs(slow, here, 3 * HOP_S)
    used = [here.score() for _ in range(round(LATE_S / HOP_S))]
    assert used.index("cpu") == round(LATE_S / (2 * HOP_S))
    assert here.engine.degraded
    assert here.engine.why == (
        "edgetpu: a window takes 30.0 ms on it, and a new one comes every 10 ms: "
        'train the model with a larger hop, or write delegate = "cpu"'
    )


def test_one_that_catches_up_after_a_delay_is_kept(house):
    late = Accelerated()
    here = house(late)
    here.settle()
    for _ in range(5):
        needs(late, here, 0.9 * LATE_S)
        here.score()
        needs(late, here, 0.0)
        for _ in range(round(LATE_S / HOP_S)):
            assert here.score() == "edgetpu"


def test_many_windows_at_once_may_take_as_long_as_they_came_in(house):
    steady = Accelerated()
    here = house(steady)
    here.settle()
    needs(steady, here, 99 * HOP_S)
    for _ in range(5):
        assert here.score(100) == "edgetpu"


def test_one_that_is_too_slow_does_not_take_over_again_either(house):
    first, slow = Accelerated(), Accelerated()
    here = house(first, slow)
    here.settle()
    first.failing = True
    here.score()
    here.clock.advance(WAIT_S)
    needs(slow, here, 2 * HOP_S)
    assert here.settle() == "cpu"
    assert slow.closed
    assert "a window takes 20.0 ms on it" in here.engine.why


# What a delegate does: how long until it fails, from a moment to hours.
lives = st.lists(st.floats(0, 7200), min_size=1, max_size=60)
jitters = st.floats(0, 1, exclude_max=True)


def openings(back_off, lives):
    """Return when each opening begins, opening as soon as that may be."""
    now_s, begun = 0.0, []
    for life_s in lives:
        now_s = max(now_s, back_off.due_s)
        begun.append(now_s)
        back_off.opening(now_s)
        back_off.working(now_s)
        now_s += life_s
        back_off.failed(now_s)
        yield begun, now_s


@given(lives, jitters)
def test_openings_stay_within_their_budget(lives, jitter):
    back_off = RationedBackOff(budget=5, budget_s=1000.0, jitter=lambda: jitter)
    for begun, _ in openings(back_off, lives):
        assert len(begun) <= 5 or begun[-1] - begun[-6] >= 1000.0 - 1e-6


@given(lives, jitters)
def test_a_wait_is_never_short_of_half_the_first_nor_endless(lives, jitter):
    back_off = RationedBackOff(
        first_s=2.0, longest_s=60.0, budget_s=100.0, jitter=lambda: jitter
    )
    for _, now_s in openings(back_off, lives):
        assert 1.0 - 1e-6 <= back_off.due_s - now_s <= 100.0 + 1e-6


@given(st.lists(st.floats(0, 599), min_size=2, max_size=20))
def test_one_that_fails_again_soon_waits_no_less(lives):
    back_off = RationedBackOff(steady_s=600.0, jitter=lambda: 1.0, budget=1000)
    waits = [back_off.due_s - now_s for _, now_s in openings(back_off, lives)]
    for before, after in itertools.pairwise(waits):
        assert after == pytest.approx(min(2 * before, 600.0))


@given(st.integers(1, 40), jitters)
def test_one_that_was_steady_is_forgiven(failures, jitter):
    back_off = RationedBackOff(
        first_s=2.0, steady_s=600.0, jitter=lambda: jitter, budget=1000
    )
    for _, now_s in openings(back_off, [*[1.0] * failures, 601.0]):
        wait_s = back_off.due_s - now_s
    assert wait_s <= 2.0 + 1e-6


def test_an_opening_that_fails_is_no_time_of_working():
    back_off = RationedBackOff(first_s=2.0, steady_s=10.0, jitter=lambda: 1.0)
    for now_s in (0.0, 1000.0):
        back_off.opening(now_s)
        back_off.failed(now_s)
    assert back_off.due_s == 1004.0

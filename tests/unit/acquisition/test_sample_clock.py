"""Times from counts, against a simulated oscillator, FIFO and reader."""

import math
import random
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.acquisition.fifo_schedule import FifoSchedule
from sensorml.acquisition.sample_clock import SLEW, Edge, SampleClock

BEGIN_NS = 10**15


@dataclass
class Read:
    """One stamped block and the truth, times in periods of the true rate."""

    at_s: float
    first_off: float
    last_off: float
    start_ns: int
    next_ns: float
    rate_ppm: float
    missed: int
    truly_missed: int
    jitter_ns: int


class Bench:
    """A sensor with a wrong clock, and a reader that is late, slow and jittery."""

    def __init__(self, nominal_hz, rate_error=0.0, *, seed=0, wander=0.0):
        self.clock = SampleClock(nominal_hz)
        self.nominal_hz = nominal_hz
        self.rate_hz = nominal_hz * (1 + rate_error)
        self.wander = wander  # change of the rate, share per second
        self.random = random.Random(seed)
        self.now_ns = BEGIN_NS
        self.phase = self.random.random()
        self.taken = 0

    def count(self, at_ns):
        t = (at_ns - BEGIN_NS) / 1e9
        return self.rate_hz * (t + self.wander * t * t / 2) + self.phase

    def time_ns(self, row):
        x = (row + 1 - self.phase) / self.rate_hz
        if self.wander:
            x = (math.sqrt(1 + 2 * self.wander * x) - 1) / self.wander
        return BEGIN_NS + x * 1e9

    def read(self, wait_s, took_s=0.0003, *, fifo=10**9, edge=None):
        """Wait, then read the status within `took_s`; None when it is empty."""
        self.now_ns += round(wait_s * 1e9)
        took_ns = round(took_s * 1e9)
        latched = self.now_ns + round(took_ns * self.random.random())
        total = int(self.count(latched))
        waiting = total - self.taken
        began_ns, self.now_ns = self.now_ns, self.now_ns + took_ns
        if waiting == 0:
            self.clock.empty(began_ns)
            return None
        rows = min(waiting, fifo)
        first, self.taken = total - rows, total
        stamp = self.clock.stamp(
            rows, began_ns, self.now_ns, lost=rows == fifo, edge=edge
        )
        period = 1e9 / self.rate_hz
        last_ns = stamp.start_ns + (rows - 1) * 1e9 / stamp.rate_hz
        rate_now = self.rate_hz * (1 + self.wander * (began_ns - BEGIN_NS) / 1e9)
        return Read(
            at_s=(began_ns - BEGIN_NS) / 1e9,
            first_off=(stamp.start_ns - self.time_ns(first)) / period,
            last_off=(last_ns - self.time_ns(total - 1)) / period,
            start_ns=stamp.start_ns,
            next_ns=last_ns + 1e9 / stamp.rate_hz,
            rate_ppm=(stamp.rate_hz / rate_now - 1) * 1e6,
            missed=stamp.missed,
            truly_missed=waiting - rows,
            jitter_ns=stamp.jitter_ns,
        )

    def drain(self, rows):
        return FifoSchedule(self.nominal_hz, None, depth=2 * rows, usual=rows)

    def run(self, seconds, *, jitter_s=0.0005, took_s=0.0003, slow_share=0.0, rows=14):
        wait_s = self.drain(rows).period_s() - took_s
        end_ns = self.now_ns + seconds * 1e9
        reads = []
        while self.now_ns < end_ns:
            slow = self.random.random() < slow_share
            took = took_s * (1 + 0.3 * self.random.random()) + 0.03 * slow
            late = abs(self.random.gauss(0, jitter_s))
            if (read := self.read(wait_s + late, took)) is not None:
                reads.append(read)
        return reads

    def run_woken(self, seconds, late_s, *, lost_share=0.0, took_s=0.0003, rows=14):
        """Read when the count reaches the watermark, as soon as told of it."""
        at = self.drain(rows).watermark
        end_ns = self.now_ns + seconds * 1e9
        reads = []
        while self.now_ns < end_ns:
            rises_ns = self.time_ns(self.taken + at - 1)
            if self.random.random() < lost_share:
                edge, wakes_ns = None, rises_ns + 0.7e9 * at / self.nominal_hz
            else:
                told_ns = math.ceil(rises_ns + self.random.uniform(*late_s) * 1e9)
                edge = Edge(at, told_ns)
                wakes_ns = told_ns + abs(self.random.gauss(0, 500_000))
            took = took_s * (1 + 0.3 * self.random.random())
            reads.append(
                self.read(max(0, wakes_ns - self.now_ns) / 1e9, took, edge=edge)
            )
        return reads


def worst(reads, rate, *, since_s):
    """The largest error in ms of all but one in a hundred rows since then."""
    offs = sorted(
        max(abs(read.first_off), abs(read.last_off))
        for read in reads
        if read.at_s > since_s
    )
    return offs[int(0.99 * len(offs))] * 1e3 / rate


RATES = st.sampled_from([25.0, 100.0, 400.0, 800.0, 1000.0, 3200.0])
ERRORS = st.floats(-0.04, 0.04)
SEEDS = st.integers(0, 999)


@settings(max_examples=25, deadline=None)
@given(rate=RATES, error=ERRORS, seed=SEEDS)
def test_the_rate_is_right_within_50_ppm_after_a_minute(rate, error, seed):
    reads = Bench(rate, error, seed=seed).run(61, slow_share=0.01)
    assert abs(reads[-1].rate_ppm) < 50


@settings(max_examples=25, deadline=None)
@given(rate=RATES, error=ERRORS, seed=SEEDS)
def test_every_row_gets_its_time_within_a_period_and_a_read(rate, error, seed):
    reads = Bench(rate, error, seed=seed).run(10, slow_share=0.02)
    allowed = 1 + 0.0004 * rate
    for read in reads:
        if read.at_s > 1:
            assert abs(read.first_off) < allowed
            assert abs(read.last_off) < allowed


@pytest.mark.parametrize("rate", [100, 800, 3200])
def test_reads_at_all_phases_pin_the_time_down_to_a_fraction_of_a_period(rate):
    reads = Bench(rate, 0.013).run(30, took_s=0.0001)
    offs = [read.last_off for read in reads if read.at_s > 5]
    assert max(offs) - min(offs) < 0.5
    assert max(map(abs, offs)) < 0.4


@settings(max_examples=100, deadline=None)
@given(
    rate=RATES,
    error=ERRORS,
    waits=st.lists(
        st.tuples(st.floats(0.0, 0.2), st.floats(0.0, 0.05)), min_size=2, max_size=60
    ),
)
def test_times_never_jump_whatever_the_reader_does(rate, error, waits):
    bench = Bench(rate, error)
    reads = [read for wait in waits if (read := bench.read(*wait)) is not None]
    for before, after in pairwise(reads):
        jump = (after.start_ns - before.next_ns) * rate / 1e9
        assert abs(jump) <= SLEW * 1.05 + 1e-3
        last_ns = before.next_ns - 1e9 / rate / 0.9
        assert after.start_ns > last_ns


@settings(max_examples=60, deadline=None)
@given(error=ERRORS, stalls=st.lists(st.floats(0.06, 0.5), min_size=1, max_size=5))
def test_the_rows_that_a_full_fifo_lost_are_counted(error, stalls):
    bench = Bench(800.0, error)
    bench.run(20)
    for stall_s in stalls:
        read = bench.read(stall_s, fifo=32)
        assert read.missed == pytest.approx(read.truly_missed, abs=1)
        assert abs(read.last_off) < 1.3
        assert all(abs(later.last_off) < 1.3 for later in bench.run(0.5))


def test_what_was_learned_about_the_rate_survives_an_overrun():
    bench = Bench(800.0, 0.03)
    bench.run(30)
    read = bench.read(2.0, fifo=32)
    assert read.missed > 1500
    assert abs(read.rate_ppm) < 20
    assert all(abs(later.rate_ppm) < 20 for later in bench.run(5))


def test_one_slow_status_read_moves_nothing():
    calm, shaken = Bench(800.0, 0.02), Bench(800.0, 0.02)
    before = shaken.run(20)[-1].rate_ppm
    calm.run(20)
    read = shaken.read(0.017, took_s=0.3)
    assert abs(read.rate_ppm - before) < 0.5
    assert read.first_off == pytest.approx(calm.read(0.017).first_off, abs=0.05)


def test_an_oscillator_that_warms_up_is_followed():
    bench = Bench(800.0, 0.01, wander=1e-6)  # 60 ppm a minute
    reads = bench.run(90)
    late = [read for read in reads if read.at_s > 30]
    assert max(abs(read.rate_ppm) for read in late) < 100
    assert max(abs(read.last_off) for read in late) < 1


@pytest.mark.parametrize("drift", [-4e-4, 2e-4, 1e-3])
@pytest.mark.parametrize(("rate", "rows"), [(200, 10), (800, 14), (1000, 60)])
def test_an_oscillator_that_drifts_by_much_is_followed_too(rate, rows, drift):
    reads = Bench(rate, wander=drift).run(60, rows=rows)
    assert max(abs(read.first_off) for read in reads) < 1.5
    assert max(abs(read.last_off) for read in reads) < 1.5


def test_the_first_block_is_timed_by_the_nominal_rate_back_from_now():
    stamp = SampleClock(100.0).stamp(11, 10**9, 10**9)
    assert stamp.rate_hz == pytest.approx(100.0)
    assert stamp.start_ns == 10**9 - 5_000_000 - 100_000_000
    assert stamp.missed == 0


BUSY = (0.00005, 0.002)
"""From the edge to the callback's own look at the clock, in s."""
PROMPT = (0.000005, 0.0001)
"""From the edge to the kernel's."""


@settings(max_examples=25, deadline=None)
@given(
    rate=RATES,
    error=ERRORS,
    late_s=st.sampled_from([PROMPT, BUSY]),
    lost=st.sampled_from([0.0, 0.3, 1.0]),
    seed=SEEDS,
)
def test_an_interrupt_line_makes_times_no_worse(rate, error, late_s, lost, seed):
    plain = Bench(rate, error, seed=seed).run(20)
    woken = Bench(rate, error, seed=seed).run_woken(20, late_s, lost_share=lost)
    if lost < 1:
        limit_ms = 0.1 if late_s is PROMPT else 0.5
        # What is left is the rate, over the longest block.
        assert worst(woken, rate, since_s=5) < max(
            limit_ms, worst(plain, rate, since_s=5)
        )
    assert all(read.missed == 0 for read in woken)
    assert abs(woken[-1].rate_ppm) < 500


@settings(max_examples=25, deadline=None)
@given(rate=RATES, error=ERRORS, seed=SEEDS)
def test_with_edges_the_rate_is_right_within_50_ppm_after_a_minute(rate, error, seed):
    reads = Bench(rate, error, seed=seed).run_woken(61, BUSY, lost_share=0.1)
    assert abs(reads[-1].rate_ppm) < 50


@settings(max_examples=100, deadline=None)
@given(
    rate=RATES,
    error=ERRORS,
    steps=st.lists(
        st.tuples(
            st.floats(0.0, 0.2),
            st.floats(0.0, 0.05),
            st.none() | st.tuples(st.integers(1, 40), st.floats(0, 0.1)),
        ),
        min_size=2,
        max_size=60,
    ),
)
def test_times_never_jump_whatever_the_line_tells(rate, error, steps):
    bench = Bench(rate, error)
    reads = []
    for wait_s, took_s, told in steps:
        edge = None
        if told is not None:
            edge = Edge(told[0], bench.now_ns + round(told[1] * 1e9))
        if (read := bench.read(wait_s, took_s, edge=edge)) is not None:
            reads.append(read)
    for before, after in pairwise(reads):
        jump = (after.start_ns - before.next_ns) * rate / 1e9
        # In periods as told, which nonsense at the start may well mislead.
        assert abs(jump) <= SLEW * 1.5
        last_ns = before.next_ns - 1e9 / rate / 0.9
        assert after.start_ns > last_ns
        assert after.missed == 0


def test_one_wrong_edge_is_forgotten_after_some_hundred_right_ones():
    bench = Bench(25.0, 0.01)
    bench.run_woken(10, PROMPT)
    true_ns = bench.time_ns(bench.taken)
    bench.read(0.05, edge=Edge(1, round(true_ns - 5e6)))
    reads = bench.run_woken(60, PROMPT)
    assert worst(reads, 25.0, since_s=50) < 0.1


def test_a_read_that_finds_nothing_tells_that_the_next_row_is_still_to_come():
    """At 25 Hz two of five reads find nothing; the others come at some phases only."""
    reads = Bench(25.0, 0.013).run(30, took_s=0.0001)
    assert worst(reads, 25.0, since_s=10) < 4


def test_jitter_is_how_far_the_newest_row_moved():
    bench = Bench(800.0, 0.02)
    first, *others = bench.run(30)
    assert first.jitter_ns == 0
    period_ns = 1e9 / 800
    for before, after in pairwise(others):
        moved_ns = after.start_ns - before.next_ns
        assert after.jitter_ns == pytest.approx(moved_ns, abs=0.05 * period_ns)
    settled = [abs(read.jitter_ns) for read in others if read.at_s > 20]
    assert 0 < max(settled) < 0.1 * period_ns

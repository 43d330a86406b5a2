"""The debouncer, over waves and bursts that no contact makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from sensorml.gpio.debounce import Change, Debouncer, Edge

MS = 1_000_000
BOUNCE_NS = 50 * MS
LOOK_NS = 50 * MS


def watch(
    edges: Iterable[Edge],
    until_ns: int,
    *,
    high: bool = False,
    phase_ns: int = 0,
    kept: Callable[[list[Edge]], list[Edge]] = lambda edges: edges,
) -> Iterator[tuple[int, Change]]:
    """Return the changes that looks at a line find, with the times of the looks.

    The line rests for the bounce time before its first edge, so its level is accepted.
    `kept` returns the edges that the kernel's queue holds at a look.
    """
    debouncer = Debouncer(bounce_ns=BOUNCE_NS, high=high, now_ns=-BOUNCE_NS)
    assert debouncer.look(0, high) is None
    assert debouncer.high is high
    pending = list(edges)
    for now_ns in range(phase_ns, until_ns + 1, LOOK_NS):
        new = [edge for edge in pending if edge.at_ns <= now_ns]
        del pending[: len(new)]
        high = new[-1].high if new else high
        for edge in kept(new):
            if change := debouncer.add(edge):
                yield now_ns, change
        if change := debouncer.look(now_ns, high):
            yield now_ns, change


def levels_at(times_ns: Iterable[int], high: bool) -> list[Edge]:
    """Return edges that alternate, the first one away from `high`."""
    edges = []
    for at_ns in times_ns:
        high = not high
        edges.append(Edge(at_ns, high))
    return edges


phases = st.integers(0, LOOK_NS - 1)
halves_ns = st.integers(125_000, BOUNCE_NS - 1)  # 4 kHz to 10 Hz


@given(half_ns=halves_ns, high=st.booleans(), phase_ns=phases)
def test_no_level_of_a_fast_square_wave_counts(half_ns, high, phase_ns) -> None:
    edges = levels_at(range(1, 2_000 * MS, half_ns)[:3_000], high)
    until_ns = edges[-1].at_ns
    assert not list(watch(edges, until_ns, high=high, phase_ns=phase_ns))


@given(
    gaps_ns=st.lists(st.integers(1, BOUNCE_NS - 1), min_size=1, max_size=200),
    high=st.booleans(),
    phase_ns=phases,
)
def test_a_burst_that_ends_where_it_began_is_no_change(gaps_ns, high, phase_ns) -> None:
    times_ns = [sum(gaps_ns[: n + 1]) for n in range(len(gaps_ns) // 2 * 2)]
    edges = levels_at(times_ns, high)
    assert not list(watch(edges, sum(gaps_ns) + 200 * MS, high=high, phase_ns=phase_ns))


@given(
    gaps_ns=st.lists(st.integers(1, BOUNCE_NS - 1), min_size=1, max_size=200),
    high=st.booleans(),
    phase_ns=phases,
)
def test_a_level_that_stays_counts_within_the_bounce_time_and_a_look(
    gaps_ns, high, phase_ns
) -> None:
    times_ns = [sum(gaps_ns[: n + 1]) for n in range((len(gaps_ns) + 1) // 2 * 2 - 1)]
    edges = levels_at(times_ns, high)
    last_ns = times_ns[-1]
    seen = list(watch(edges, last_ns + 200 * MS, high=high, phase_ns=phase_ns))
    [(seen_ns, change)] = seen
    assert change == Change(last_ns, not high)
    assert seen_ns - last_ns < BOUNCE_NS + LOOK_NS


@given(
    times_ns=st.lists(st.integers(0, 2_000 * MS), unique=True, max_size=100),
    room=st.integers(1, 10),
    phase_ns=phases,
)
def test_a_level_that_counts_had_no_edge_for_the_bounce_time(
    times_ns, room, phase_ns
) -> None:
    """The edges of a noisy line, in a queue that drops the oldest."""

    def newest(edges: list[Edge]) -> list[Edge]:
        kept = edges[-room:]
        return [kept[0]._replace(lost=True), *kept[1:]] if edges != kept else kept

    edges = levels_at(sorted(times_ns), high=False)
    for _, change in watch(edges, 3_000 * MS, phase_ns=phase_ns, kept=newest):
        later_ns = [at_ns for at_ns in times_ns if at_ns > change.at_ns]
        assert change.at_ns in times_ns
        assert min(later_ns, default=3_000 * MS) - change.at_ns >= BOUNCE_NS


def test_edges_that_lead_to_the_same_level_start_the_time_again() -> None:
    """The level of an event is read late, so a fast wave may seem to stay high."""
    edges = [Edge(at_ns, True) for at_ns in range(1, 1_000 * MS, MS)]
    assert not list(watch(edges, edges[-1].at_ns))


def test_a_level_before_lost_edges_has_not_lasted_until_the_next_one() -> None:
    edges = [Edge(10 * MS, True), Edge(90 * MS, False, lost=True)]
    assert not list(watch(edges, 400 * MS, phase_ns=LOOK_NS // 2 * 4))


def test_a_pulse_between_two_looks_counts_by_its_edges() -> None:
    debouncer = Debouncer(bounce_ns=BOUNCE_NS, high=False, now_ns=0)
    edges = [Edge(60 * MS, True), Edge(111 * MS, False)]
    assert [debouncer.add(edge) for edge in edges] == [None, Change(60 * MS, True)]
    assert debouncer.look(161 * MS, False) == Change(111 * MS, False)


def test_a_line_is_unsettled_from_its_first_edge_until_a_level_has_lasted() -> None:
    debouncer = Debouncer(bounce_ns=BOUNCE_NS, high=False, now_ns=0)
    assert (debouncer.high, debouncer.unsettled_ns) == (None, 0)
    debouncer.look(50 * MS, False)
    assert (debouncer.high, debouncer.unsettled_ns) == (False, None)
    for at_ms in (60, 90, 120):
        debouncer.add(Edge(at_ms * MS, at_ms != 90))
    assert debouncer.unsettled_ns == 60 * MS
    debouncer.look(169 * MS, True)
    assert debouncer.unsettled_ns == 60 * MS
    debouncer.look(170 * MS, True)
    assert (debouncer.high, debouncer.unsettled_ns) == (True, None)

"""Windows of triggers, compared with a simple cutter of the whole recording."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import MS, SECOND, block

from sensorml.pipeline.capture import MAX_PENDING, Capture
from sensorml.pipeline.ring import Windows
from sensorml.types import Block

WINDOW = 5
Cut = tuple[list[float], int, int, float]


def capture(**options: int) -> Capture:
    return Capture(channels=1, window=WINDOW, rate_hz=1000.0, **options)


def taken(ring: Capture, first: Windows | None) -> list[Cut]:
    """Return every complete window: rows, start, end, quality."""
    windows = []
    while first is not None:
        rows = first.data[0, 0].tolist()
        windows.append((rows, first.start_ns[0], first.end_ns[0], first.quality[0]))
        first = ring.take()
    return windows


def run(ring: Capture, events: list[Block | int]) -> list[Cut]:
    """Add blocks and triggers in this order; return the windows."""
    windows = []
    for event in events:
        if isinstance(event, Block):
            windows += taken(ring, ring.push(event))
        else:
            ring.trigger(event)
            windows += taken(ring, ring.take())
    return windows


def ramp(first: int, rows: int, **more: object) -> Block:
    """Return rows at 1 kHz whose value is their number, the time in ms."""
    return block(range(first, first + rows), start_ns=first * MS, **more)


@st.composite
def sequences(draw: st.DrawFn) -> tuple[list[Block], list[int], list[Block | int]]:
    """Blocks and triggers, and an order in which both may have been run."""
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=15))
    rows = sum(sizes)
    times = st.integers(0, (rows + 5) * 1000).map(lambda us: us * 1000)
    triggers = sorted(draw(st.lists(times, max_size=6)))
    blocks, at = [], 0
    for size in sizes:
        blocks.append(ramp(at, size))
        at += size
    events: list[Block | int] = []
    left, right = list(blocks), list(triggers)
    for is_trigger in draw(st.lists(st.booleans(), max_size=len(sizes) + 6)):
        events += [(right if is_trigger else left).pop(0)] if right and left else []
    return blocks, triggers, [*events, *left, *right]


@given(sequences())
@example(([ramp(0, 12)], [2 * MS], [2 * MS, ramp(0, 12)]))
def test_a_window_begins_with_the_first_sample_since_the_trigger(sequence) -> None:
    blocks, triggers, events = sequence
    rows = sum(len(each.samples) for each in blocks)
    expected, over_ns = [], -1
    for at_ns in triggers:
        first = -(-at_ns // MS)
        if at_ns > over_ns and first + WINDOW <= rows:
            over_ns = (first + WINDOW - 1) * MS
            window = list(range(first, first + WINDOW))
            expected.append((window, first * MS, over_ns, 1.0))
    assert run(capture(), events) == expected


@given(sequences())
def test_every_trigger_is_captured_ignored_or_waiting(sequence) -> None:
    _, triggers, events = sequence
    ring = capture()
    windows = run(ring, events)
    assert len(windows) + ring.ignored + len(ring._pending) == len(triggers)


def test_a_bounce_within_the_window_is_ignored_and_counted() -> None:
    ring = capture()
    windows = run(ring, [2 * MS, 3 * MS, 6 * MS, 7 * MS, ramp(0, 20)])
    assert [start_ns for _, start_ns, _, _ in windows] == [2 * MS, 7 * MS]
    assert ring.ignored == 2


def test_between_triggers_there_are_no_windows() -> None:
    assert run(capture(), [ramp(0, 50), ramp(50, 50)]) == []


@pytest.mark.parametrize("late_ms", [0, 900])
def test_a_trigger_may_come_after_its_samples(late_ms: int) -> None:
    [window] = run(capture(), [ramp(0, 50), ramp(50, late_ms + 1), 50 * MS - 5 * MS])
    assert window[0] == [45, 46, 47, 48, 49]


def test_a_trigger_whose_samples_were_dropped_has_a_low_quality() -> None:
    [window] = run(capture(), [ramp(0, 1000), ramp(1000, 1000), 500 * MS])
    rows, _, _, quality = window
    assert rows[0] == 1000
    assert quality < 0.02


def test_a_trigger_while_the_sensor_was_absent_has_a_low_quality() -> None:
    [window] = run(capture(), [ramp(0, 10), 20 * MS, ramp(30, 10, missed=20)])
    rows, start_ns, _, quality = window
    assert (rows[0], start_ns) == (30, 30 * MS)
    assert quality == pytest.approx(WINDOW / (WINDOW + 9))


def test_a_gap_within_the_window_lowers_its_quality() -> None:
    [window] = run(capture(), [2 * MS, ramp(0, 4), ramp(9, 10, missed=5)])
    rows, _, end_ns, quality = window
    assert rows == [2, 3, 9, 10, 11]
    assert (end_ns, quality) == (11 * MS, WINDOW / (WINDOW + 5))


def test_clipped_and_frozen_rows_are_those_of_the_window() -> None:
    ring = capture(frozen_rows=4)
    ring.trigger(5 * MS)
    samples = [0, 1, 2, 3, 4, 9, 9, 9, 9, 5, 6]
    windows = ring.push(block(samples, clipped=[4, 5]))
    assert windows is not None
    assert (windows.clipped, windows.frozen, windows.first) == ((0.2,), (True,), 0)


def test_triggers_without_samples_are_bounded() -> None:
    ring = capture()
    for i in range(MAX_PENDING + 3):
        ring.trigger(i * SECOND)
    assert ring.ignored == 3


def test_memory_does_not_grow_with_time() -> None:
    ring = capture()
    for first in range(0, 100_000, 500):
        ring.push(ramp(first, 500, missed=1, clipped=[3]))
    kept = len(ring._spans) + len(ring._gaps) + len(ring._clipped)
    assert kept < 15
    assert ring._rows.shape[1] < 4000

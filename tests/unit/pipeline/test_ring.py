"""Windows of the ring, compared with a simple cutter of the whole recording."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import block

from sensorml.pipeline.ring import Ring
from sensorml.types import Block


class Window(NamedTuple):
    data: bytes
    number: int
    start_ns: int
    end_ns: int
    quality: float
    whole: bool
    clipped: float
    frozen: bool


def pushed(ring: Ring, blocks: list[Block]) -> list[Window]:
    cut = []
    for each in blocks:
        windows = ring.push(each)
        if windows is None:
            continue
        cut += [
            Window(data.tobytes(), windows.first + i, *rest)
            for i, (data, *rest) in enumerate(
                zip(
                    windows.data,
                    windows.start_ns,
                    windows.end_ns,
                    windows.quality,
                    windows.whole,
                    windows.clipped,
                    windows.frozen,
                    strict=True,
                )
            )
        ]
    return cut


def expected(
    blocks: list[Block], *, window: int, hop: int, frozen_rows: int
) -> list[Window]:
    samples = np.concatenate([b.samples for b in blocks])
    times, missed, clipped = [], [], []
    for b in blocks:
        period_ns = 1e9 / b.rate_hz
        times += [b.start_ns + round(i * period_ns) for i in range(len(b.samples))]
        missed += [b.missed, *[0] * (len(b.samples) - 1)]
        clipped += [i in b.clipped for i in range(len(b.samples))]
    cut = []
    still, before = 0, b""
    for number, a in enumerate(range(0, len(samples) - window + 1, hop)):
        rows = samples[a : a + window]
        run = max(len(list(g)) for _, g in itertools.groupby(map(bytes, rows)))
        if run == window > 1:
            run = still = still + hop if still and bytes(rows[0]) == before else window
        else:
            still = 0
        before = bytes(rows[0])
        cut.append(
            Window(
                rows.T.tobytes(),
                number,
                times[a],
                times[a + window - 1],
                window / (window + sum(missed[a + 1 : a + window])),
                not sum(missed[a + 1 : a + window]),
                sum(clipped[a : a + window]) / window,
                0 < frozen_rows <= run,
            )
        )
    return cut


@st.composite
def recordings(draw: st.DrawFn) -> list[Block]:
    """Blocks of any size, with repeated rows, gaps, clipping and uneven rates."""
    sizes = draw(st.lists(st.integers(1, 30), min_size=1, max_size=12))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    still = draw(st.sampled_from([0.0, 0.5, 0.9]))
    channels = draw(st.integers(1, 3))
    rows = random.integers(0, 3, (sum(sizes), channels))
    for i in range(1, len(rows)):
        if random.random() < still:
            rows[i] = rows[i - 1]
    blocks, at, now_ns = [], 0, 10**18
    for size in sizes:
        gap = int(random.integers(1, 9)) if random.random() < 0.3 else 0
        rate_hz = float(random.uniform(900, 1100))
        now_ns += int(random.integers(0, 10**7))
        is_clipped = random.random(size) < 0.2
        blocks.append(
            block(
                rows[at : at + size],
                start_ns=now_ns,
                rate_hz=rate_hz,
                missed=gap,
                clipped=np.flatnonzero(is_clipped),
            )
        )
        at += size
        now_ns += round(size * 1e9 / rate_hz)
    return blocks


@settings(max_examples=200)
@given(recordings(), st.data())
def test_cutdo_not_depend_on_how_the_recording_is_cut_into_blocks(blocks, data):
    window = data.draw(st.integers(1, 24), "window")
    hop = data.draw(st.integers(1, window), "hop")
    frozen_rows = data.draw(st.sampled_from([0, 2, 3, 5, 8, 30]), "frozen_rows")
    ring = Ring(
        channels=blocks[0].samples.shape[1],
        window=window,
        hop=hop,
        frozen_rows=frozen_rows,
    )
    assert pushed(ring, blocks) == expected(
        blocks, window=window, hop=hop, frozen_rows=frozen_rows
    )


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 100_000])
def test_the_size_of_the_blocks_does_not_change_the_windows(size: int) -> None:
    rows = np.random.default_rng(1).normal(size=(4_000, 2)).astype(np.float32)
    rate_hz = 1000.0
    blocks = [
        block(rows[i : i + size], start_ns=i * 1_000_000, rate_hz=rate_hz)
        for i in range(0, len(rows), size)
    ]
    windows = pushed(Ring(channels=2, window=64, hop=24), blocks)
    assert len(windows) == (4_000 - 64) // 24 + 1
    for w in windows:
        first = w.number * 24
        assert w.data == rows[first : first + 64].T.tobytes()
        assert w.start_ns == first * 1_000_000
        assert w.end_ns == (first + 63) * 1_000_000


def test_a_gap_lengthens_the_cutit_lies_in_and_no_others() -> None:
    ring = Ring(channels=1, window=4, hop=2)
    windows = pushed(
        ring, [block([0] * 4), block([0] * 4, start_ns=8_000_000, missed=4)]
    )
    assert [w.quality for w in windows] == [1.0, 0.5, 1.0]
    assert [w.end_ns - w.start_ns for w in windows] == [3_000_000, 7_000_000, 3_000_000]


def test_cutwithout_overlap_share_no_row() -> None:
    windows = pushed(Ring(channels=1, window=3, hop=3), [block(range(9))])
    rows = [np.frombuffer(w.data, np.float32).tolist() for w in windows]
    assert rows == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_a_frozen_run_is_seen_across_one_row_blocks_and_ends_with_them() -> None:
    ring = Ring(channels=1, window=4, hop=4, frozen_rows=3)
    rows = [1, 2, 2, 2, 3, 4, 5, 6]
    windows = pushed(ring, [block([row]) for row in rows])
    assert [w.frozen for w in windows] == [True, False]


@pytest.mark.parametrize("hop", [2, 4])
def test_a_run_longer_than_a_window_is_seen_over_several_windows(hop: int) -> None:
    ring = Ring(channels=1, window=4, hop=hop, frozen_rows=10)
    windows = pushed(ring, [block([5.0]) for _ in range(12)])
    assert [w.frozen for w in windows] == [4 + hop * w.number >= 10 for w in windows]
    assert windows[-1].frozen
    assert not any(w.frozen for w in pushed(ring, [block([6] * 8)]))


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("moves", [0, 1])
def test_one_channel_that_moves_is_enough_not_to_be_frozen(moves, size) -> None:
    ring = Ring(channels=2, window=4, hop=4, frozen_rows=2)
    rows = np.ones((4, 2))
    rows[:, moves] = range(4)
    [window] = pushed(ring, [block(rows[i : i + size]) for i in range(0, 4, size)])
    assert not window.frozen


def test_cutare_views_that_cannot_be_written_to() -> None:
    ring = Ring(channels=1, window=4, hop=1)
    windows = ring.push(block(range(100)))
    assert windows is not None
    assert windows.data.base is not None
    with pytest.raises(ValueError, match="read-only"):
        windows.data[0, 0, 0] = 1


def test_a_block_is_copied_in_so_that_a_driver_may_reuse_its_buffer() -> None:
    ring = Ring(channels=1, window=4, hop=4)
    samples = np.arange(4, dtype=np.float32)[:, None]
    windows = ring.push(block(samples))
    samples[:] = -1
    assert windows is not None
    assert windows.data.tolist() == [[[0, 1, 2, 3]]]


def test_memory_does_not_grow_with_the_length_of_the_stream() -> None:
    ring = Ring(channels=1, window=8, hop=3, frozen_rows=2)
    for i in range(1_000):
        ring.push(block([i // 4], start_ns=i, missed=i % 2, clipped=[0]))
    held = (ring._spans, ring._gaps, ring._clipped)
    assert all(len(each) <= ring.window for each in held)
    assert ring._rows.shape == (1, 4 * ring.window)


@pytest.mark.parametrize("hop", [0, 5])
def test_a_hop_that_skips_or_stands_still_is_refused(hop: int) -> None:
    with pytest.raises(ValueError, match="hop must be between 1 and window=4"):
        Ring(channels=1, window=4, hop=hop)

"""The part file of a recording: what a reader finds after any end of its writer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.errors import NoChannelError, RecordingError
from sensorml.recordings import read
from sensorml.recordings.part import PartReader, PartWriter
from sensorml.recordings.recording import Labels
from sensorml.types import Block

NOON = 1_700_000_000_000_000_000
LABELS = Labels(channels=("x", "y"), unit="g")


def blocks(counts: list[int]) -> list[Block]:
    """Return blocks at 800 Hz whose samples count up."""
    made, first = [], 0
    for count in counts:
        rows = np.arange(first, first + count, dtype=np.float32)
        start_ns = NOON + first * 1_250_000
        made.append(Block(np.stack([rows, -rows], axis=1), start_ns, 800.0))
        first += count
    return made


def written(path: Path, parts: list[Block], labels: Labels = LABELS) -> PartWriter:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        writer = PartWriter(descriptor)
        writer.begin(labels)
        for block in parts:
            writer.write(block)
    finally:
        os.close(descriptor)
    return writer


def rows_of(path: Path) -> int:
    return sum(len(chunk.samples) for chunk in PartReader(path).chunks())


def test_a_part_is_read_as_a_recording(tmp_path: Path):
    path = tmp_path / "motor.npz.part"
    writer = written(path, blocks([100, 1, 399]))
    recording = read(path)
    assert np.array_equal(recording.samples[:, 0], np.arange(500))
    assert (recording.channels, recording.unit) == (("x", "y"), "g")
    assert recording.rate_hz == pytest.approx(800.0)
    assert recording.start_ns == NOON
    assert (writer.rows, writer.seconds) == (500, 0.625)
    assert read(path, channels=["y"]).samples[3, 0] == -3
    with pytest.raises(NoChannelError, match="choose from x, y"):
        read(path, channels=["z"])


def test_gaps_are_counted_and_are_in_the_times(tmp_path: Path):
    path = tmp_path / "motor.npz.part"
    first, second = blocks([400, 400])
    late = Block(second.samples, second.start_ns + 10**9, 800.0, missed=800)
    before = Block(first.samples, first.start_ns, 800.0, missed=7)
    writer = written(path, [before, late])
    assert (writer.gaps, writer.missed) == (1, 800)
    assert [(s.first, s.missed) for s in read(path).segments] == [(0, 0), (400, 800)]


def test_times_never_fall_where_an_estimate_moves_back(tmp_path: Path):
    path = tmp_path / "motor.npz.part"
    first, second = blocks([100, 100])
    early = Block(second.samples, second.start_ns - 10**7, 800.0)
    written(path, [first, early])
    [chunk] = PartReader(path).chunks()
    assert (np.diff(chunk.t_ns) >= 0).all()


def test_chunks_are_bounded_and_the_rows_of_all_blocks(tmp_path: Path):
    path = tmp_path / "motor.npz.part"
    written(path, blocks([4096] * 40))
    sizes = [len(chunk.samples) for chunk in PartReader(path).chunks()]
    assert sum(sizes) == 4096 * 40
    assert max(sizes) == 65_536


@given(counts=st.lists(st.integers(1, 50), min_size=1, max_size=8), data=st.data())
def test_a_part_that_is_cut_anywhere_keeps_every_whole_block(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], data: st.DataObject
):
    path = tmp_path_factory.getbasetemp() / "cut.npz.part"
    written(path, [])
    ends = [path.stat().st_size]
    for n in range(len(counts)):
        written(path, blocks(counts[: n + 1]))
        ends.append(path.stat().st_size)
    cut = data.draw(st.integers(ends[0], ends[-1]))
    os.truncate(path, cut)
    whole = sum(end <= cut for end in ends[1:])
    assert rows_of(path) == sum(counts[:whole])


@given(at=st.integers(0, 10**6), to=st.binary(min_size=1, max_size=64))
def test_damage_ends_the_rows_and_never_changes_one(
    tmp_path_factory: pytest.TempPathFactory, at: int, to: bytes
):
    path = tmp_path_factory.getbasetemp() / "damaged.npz.part"
    written(path, blocks([20] * 10))
    raw = bytearray(path.read_bytes())
    first = raw.index(b"rows")
    at = first + at % (len(raw) - first)
    raw[at : at + len(to)] = to
    path.write_bytes(raw)
    chunks = list(PartReader(path).chunks())
    samples = chunks[0].samples[:, 0] if chunks else np.empty(0)
    assert len(samples) % 20 == 0
    assert np.array_equal(samples, np.arange(len(samples)))


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"PK\3\4" * 100, b"sensorml recording, part 2\n{}\n", bytes(500)],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "motor.npz.part"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="is not the part of a recording"):
        read(path)


def test_a_part_without_rows_is_an_error(tmp_path: Path):
    path = tmp_path / "motor.npz.part"
    written(path, [])
    with pytest.raises(RecordingError, match="has no samples"):
        read(path)

"""Every format that is read in parts reports how far it is."""

import gzip

import numpy as np
import pytest

from sensorml.recordings import from_array, read
from sensorml.recordings.content import content_of
from sensorml.recordings.counted import observed
from sensorml.recordings.inspection.facts import inspect
from sensorml.recordings.recording import Recording
from sensorml.recordings.writers import write


@pytest.fixture(scope="module")
def recording() -> Recording:
    rows = np.random.default_rng(0).normal(size=(200_000, 3))
    return from_array(rows, rate_hz=1000.0, unit="g")


@pytest.mark.parametrize("ending", [".npz", ".csv", ".csv.gz"])
def test_bytes_are_reported_while_a_file_is_read(tmp_path, recording, ending):
    path = tmp_path / f"motor{ending.removesuffix('.gz')}"
    write(path, content_of(recording))
    if ending.endswith(".gz"):
        packed = path.with_suffix(".csv.gz")
        packed.write_bytes(gzip.compress(path.read_bytes(), 1))
        path = packed
    seen = []
    with observed(lambda file, done, size: seen.append((file, done, size))):
        again = read(path)
    assert len(again.samples) == len(recording.samples)
    size = path.stat().st_size
    assert {(file, total) for file, _, total in seen} == {(path, size)}
    assert len({done for _, done, _ in seen}) > 3
    assert max(done for _, done, _ in seen) > 0.9 * size


def test_nothing_is_reported_without_an_observer(tmp_path, recording):
    path = tmp_path / "motor.npz"
    write(path, content_of(recording))
    seen = []
    with observed(lambda *report: seen.append(report)):
        pass
    assert inspect(read(path)).rows == len(recording.samples)
    assert seen == []

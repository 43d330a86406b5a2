"""The missing rows that do not matter to a model, measured at training."""

from dataclasses import replace

import numpy as np
from support import FakeEngine, card

from sensorml.pipeline.model_card import Missing
from sensorml.pipeline.pipeline import Pipeline
from sensorml.recordings import from_array
from sensorml.recordings.segments import Segment
from sensorml.training.missing import measured

WINDOW = 160


def tone(rows=WINDOW * 40, noise=0.0):
    random = np.random.default_rng(1)
    wave = np.sin(np.arange(rows) / 5) + noise * random.standard_normal(rows)
    return wave.astype(np.float32)[:, None]


def measure(samples, score, *gaps):
    """Measure a model whose score is a function of its window."""
    model = card(window=WINDOW, hop=WINDOW // 2, frozen_rows=0)
    engine = FakeEngine(score)
    recording = from_array(samples, rate_hz=1000.0, channels=["x"], unit="g")
    recording = replace(recording, segments=(*recording.segments, *gaps))
    pipeline = Pipeline(model, engine)
    judged = [p for block in recording.blocks() for p in pipeline.step(block)]
    return measured([recording], [judged], model, engine, seed=0)


def rms(windows):
    return np.sqrt(np.square(windows).mean(axis=1, keepdims=True))


def test_the_rms_of_a_tone_does_without_a_sixteenth_of_the_window():
    assert measure(tone(), rms) == Missing(rows=10, moves_score=0.2, windows=44)


def test_a_score_that_depends_on_every_row_does_without_none():
    def energy(windows):
        return np.exp(np.square(windows).sum(axis=1, keepdims=True) / 4)

    assert measure(tone(noise=1.0), energy) == Missing()


def test_a_score_on_the_edge_allows_some_rows():
    """White noise of which each missing row is about 1/160 of the power."""

    def power(windows):
        return np.exp(4 * np.square(windows).mean(axis=1, keepdims=True))

    allowed = measure(tone(noise=3.0)[:, :1] / 3, power)
    assert 0 < allowed.rows < 10


def test_too_few_windows_measure_nothing():
    assert measure(tone(rows=WINDOW * 8), rms) == Missing()


def test_a_recording_with_gaps_of_its_own_is_left_out():
    gap = Segment(first=1000, start_ns=1_050_000_000, rate_hz=1000.0, missed=50)
    assert measure(tone(), rms, gap) == Missing()

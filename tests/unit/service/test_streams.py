"""The rows of a model's windows."""

from support import FakeEngine, card, prediction

from sensorml.pipeline.pipeline import Pipeline
from sensorml.service.streams import Stream


def test_a_row_shows_when_the_cpu_replaces_an_accelerator():
    engine = FakeEngine()
    stream = Stream("m", "s", Pipeline(card(), engine))
    for degraded in (False, True):
        engine.degraded = degraded
        [row] = stream.rows([prediction()])
        assert row.degraded == int(degraded)
        assert type(row.degraded) is int

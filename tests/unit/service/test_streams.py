"""The rows of a model's windows."""

from support import FakeEngine, card, prediction

from sensorml.pipeline.pipeline import Pipeline
from sensorml.service.streams import Stream
from sensorml.storage.tables import COLUMNS


def test_a_row_shows_when_the_cpu_replaces_an_accelerator():
    engine = FakeEngine()
    stream = Stream("m", "s", Pipeline(card(), engine))
    column = COLUMNS["prediction"].index("degraded")
    for degraded in (False, True):
        engine.degraded = degraded
        [row] = stream.rows([prediction()], 0)
        assert row[column] == int(degraded)
        assert type(row[column]) is int

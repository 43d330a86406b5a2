"""Children that run the test delegate and leave nothing behind."""

import gc
from pathlib import Path

import pytest
from delegate import pair
from delegate.child import LONG_S, F

from sensorml.delegates.child_engine import open_child
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.tflite_file import parse


@pytest.fixture
def opened_child(library):
    """Return a function that opens a child with these options of its delegate."""
    engines = []

    def open_engine(*, model=None, open_s=LONG_S, invoke_s=LONG_S, **options):
        accelerator = Accelerator("edgetpu", str(library), options, "build it")
        engine = open_child(
            parse(model or pair.compiled_model(F)),
            accelerator,
            open_s=open_s,
            invoke_s=invoke_s,
        )
        engines.append(engine)
        return engine

    before = open_descriptors(), children()
    yield open_engine
    engine = None
    for engine in engines:
        engine.close()
    engines.clear()
    del engine
    gc.collect()  # a raised error holds the engine, and that its memory
    assert (open_descriptors(), children()) == before


def open_descriptors():
    links = Path("/proc/self/fd").glob("*")
    return {(link, link.readlink()) for link in links if link.exists()}


def children():
    """Return our child processes, zombies included."""
    return {
        pid
        for task in Path("/proc/self/task").glob("*")
        for pid in (task / "children").read_text().split()
    }

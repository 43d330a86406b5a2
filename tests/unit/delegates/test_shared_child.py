"""One child process with several models."""

import os
import signal
import threading
from contextlib import closing

import numpy as np
import pytest
from delegate import pair
from delegate.child import LONG_S, SHORT_S, F, rows

from sensorml.delegates.child_engine import SharedChild
from sensorml.errors import DelegateError
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import parse


@pytest.fixture
def shared(library):
    """Return a process with two models, of F and of 2 F values."""
    files = {n: parse(pair.compiled_model(n * F)) for n in (1, 2)}
    child = SharedChild(files, Accelerator("edgetpu", str(library), {}))
    child.open(LONG_S)
    return child


def test_two_models_share_one_process_without_mixing_windows(shared):
    small, large = shared.engine(1), shared.engine(2)
    with closing(small), closing(large):
        for _ in range(3):
            for engine, x in ((small, rows(2)), (large, rows(4).reshape(2, 2 * F))):
                cpu = TfliteEngine(parse(pair.cpu_model(x.shape[1])), 1, None)
                assert (engine.infer(x).outputs == cpu.infer(x).outputs).all()


def test_a_process_ends_with_its_last_engine(shared):
    small, large = shared.engine(1), shared.engine(2)
    small.close()
    small.close()
    assert len(large.infer(rows(4).reshape(2, 2 * F)).outputs) == 2
    with pytest.raises(DelegateError, match="closed"):
        small.infer(rows(1))
    large.close()
    assert shared._child._process.returncode == 0
    assert shared.engine(1) is None


def test_a_process_that_dies_is_lost_for_all_its_engines(shared):
    small, large = shared.engine(1), shared.engine(2)
    os.kill(shared._child._process.pid, signal.SIGKILL)
    for engine in (small, large):
        with pytest.raises(DelegateError, match="SIGKILL while it ran a window"):
            engine.infer(rows(engine._number).reshape(1, -1))
    assert not shared.hung
    small.close()
    large.close()


def test_a_refused_model_does_not_stop_the_others(library):
    files = {
        7: parse(pair.compiled_model(F, custom_op="other-op")),
        8: parse(pair.compiled_model(F)),
    }
    child = SharedChild(files, Accelerator("edgetpu", str(library), {}))
    child.open(LONG_S)
    with closing(child.engine(8)) as engine:
        assert len(engine.infer(rows(1)).outputs) == 1
        with pytest.raises(DelegateError, match="other-op"):
            child.engine(7)


def test_threads_may_use_one_process(shared):
    """Each thread gets the outputs of its own windows."""
    small, large = shared.engine(1), shared.engine(2)
    wrong = []

    def use(engine, size):
        x = np.full((200, size), np.float32(size), np.float32) / 4
        outputs = engine.infer(x).outputs
        wrong.extend(outputs[np.abs(outputs - x) > pair.SCALE.scale])

    threads = [
        threading.Thread(target=use, args=(engine, n * F))
        for n, engine in ((1, small), (2, large))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    small.close()
    large.close()


def test_a_process_that_was_killed_at_its_deadline_has_hung(library):
    options = {"invoke": "hang", "after": "1"}
    accelerator = Accelerator("edgetpu", str(library), options)
    files = {0: parse(pair.compiled_model(F))}
    child = SharedChild(files, accelerator, invoke_s=SHORT_S)
    child.open(LONG_S)
    with closing(child.engine(0)) as engine:
        assert not child.hung
        with pytest.raises(DelegateError, match="no answer"):
            engine.infer(rows(1))
    assert child.hung

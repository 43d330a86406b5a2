"""A delegate that crashes or hangs costs its child process and nothing else."""

import itertools
import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from delegate import pair
from delegate.child import LONG_S, RESTART, SHORT_S, F, pid_of, rows

from sensorml.backoff import RationedBackOff
from sensorml.delegates.child_engine import open_child
from sensorml.delegates.failover import FailoverEngine, Opened
from sensorml.delegates.tolerance import Tolerance
from sensorml.errors import DelegateError
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import parse


def test_a_child_computes_what_the_cpu_computes(opened_child):
    cpu = TfliteEngine(parse(pair.cpu_model(F)), 1, None)
    child = opened_child()
    assert child.delegate == "edgetpu"
    for n in (1, 3, 70):
        done = child.infer(rows(n))
        assert (done.outputs == cpu.infer(rows(n)).outputs).all()
        assert done.outputs.dtype == np.float32
        assert done.quantise_ns > 0
        assert done.invoke_ns > 0


def test_results_are_not_overwritten_by_the_next_call(opened_child):
    child = opened_child()
    first = child.infer(rows(2)[:1]).outputs
    kept = first.copy()
    child.infer(rows(2)[1:])
    assert (first == kept).all()


@pytest.mark.parametrize(
    ("how", "reason", "cure"),
    [
        (
            "abort",
            r"SIGABRT while it ran a window .*: the device may have been lost",
            "its plug",
        ),
        ("segv", "SIGSEGV while it ran a window", "its plug"),
        ("exit", "exit code 3 while it ran a window", RESTART),
        ("fail", "Failed to execute request", RESTART),
    ],
)
def test_after_a_failed_window_the_engine_keeps_its_reason(
    opened_child, how, reason, cure
):
    child = opened_child(invoke=how, after="3")  # the opening is the first
    child.infer(rows(2))
    for _ in range(2):
        with pytest.raises(DelegateError, match=f"^edgetpu: .*{reason}.*: ") as caught:
            child.infer(rows(1))
        assert cure in caught.value.reason.cure


def test_the_last_output_of_the_library_is_in_the_reason_and_on_stderr(
    opened_child, capfd
):
    child = opened_child(invoke="abort", after="1")
    with pytest.raises(
        DelegateError, match=r'last output was "F driver\.cc:857\] transfer'
    ):
        child.infer(rows(1))
    assert "transfer on tag 1 failed" in capfd.readouterr().err


def test_a_window_that_hangs_ends_at_its_deadline(opened_child):
    child = opened_child(invoke="hang", after="1", invoke_s=SHORT_S)
    with pytest.raises(
        DelegateError, match=r"no answer within 0\.05 s while it ran"
    ) as caught:
        child.infer(rows(1))
    assert caught.value.reason.cure == RESTART


def test_a_child_that_is_stopped_is_killed_at_the_deadline(opened_child):
    child = opened_child(invoke_s=SHORT_S)
    os.kill(pid_of(child), signal.SIGSTOP)
    with pytest.raises(DelegateError, match=r"no answer within 0\.05 s while it ran"):
        child.infer(rows(1))


@pytest.mark.parametrize(
    ("number", "reason", "cure"),
    [
        (signal.SIGKILL, "SIGKILL while it ran a window", "memory runs out"),
        (
            40,
            "signal 40 while it ran a window",
            RESTART,
        ),  # a real-time signal has no name
    ],
)
def test_a_child_that_is_killed_between_two_windows_is_noticed(
    opened_child, number, reason, cure
):
    child = opened_child()
    os.kill(pid_of(child), number)
    with pytest.raises(DelegateError, match=reason) as caught:
        child.infer(rows(1))
    assert cure in caught.value.reason.cure


@pytest.mark.parametrize("how", ["print", "slow"])
def test_a_library_may_be_slow_and_print(opened_child, how, capfd):
    child = opened_child(invoke=how, after="1")
    x = rows(3)
    assert (child.infer(x).outputs == opened_child().infer(x).outputs).all()
    assert ("garbage" in capfd.readouterr().err) == (how == "print")


def test_signals_of_the_terminal_and_of_systemd_do_not_end_the_child(opened_child):
    child = opened_child()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid_of(child), number)
    assert len(child.infer(rows(1)).outputs) == 1


def test_an_engine_may_be_closed_twice_and_then_raises(opened_child):
    child = opened_child()
    child.close()
    child.close()
    with pytest.raises(DelegateError, match="closed"):
        child.infer(rows(1))


def test_closing_lets_the_child_end_by_itself(opened_child):
    child = opened_child()
    child.close()
    assert child._child._child._process.returncode == 0


def test_a_thread_that_opened_a_child_may_end_before_it(opened_child):
    engines = []
    thread = threading.Thread(target=lambda: engines.append(opened_child()))
    thread.start()
    thread.join()
    assert len(engines[0].infer(rows(1)).outputs) == 1


def test_windows_are_scored_through_the_death_and_return_of_a_delegate(library):
    """The library aborts after 20 windows each time it is opened."""
    model = parse(pair.compiled_model(F))
    accelerator = Accelerator(
        "edgetpu", str(library), {"invoke": "abort", "after": "20"}
    )
    engine = FailoverEngine(
        TfliteEngine(parse(pair.cpu_model(F)), 1, None),
        lambda _, cancel: Opened(open_child(model, accelerator, cancel=cancel)),
        tolerance=Tolerance(pair.SCALE.scale),
        hop_s=LONG_S,
        back_off=RationedBackOff(first_s=0.0, budget=1000),
    )
    expected = TfliteEngine(parse(pair.cpu_model(F)), 1, None)
    used = []
    with closing(engine):
        while (
            used.count("edgetpu") < 24
        ):  # 11 in each life, because 9 belong to its opening
            x = rows(1)
            assert (engine.infer(x).outputs == expected.infer(x).outputs).all()
            used.append(engine.delegate)
    changes = [delegate for delegate, _ in itertools.groupby(used)]
    assert changes == ["cpu", "edgetpu"] * 3


PARENT = """
import sys
from pathlib import Path
from sensorml.delegates.child_engine import open_child
from sensorml.inference.tflite_file import parse
from sensorml.inference.delegate_library import Accelerator
model, library, create = sys.argv[1:]
engine = open_child(
    parse(Path(model).read_bytes()), Accelerator("edgetpu", library, {"create": create})
)
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("create", ["print", "hang"])
def test_a_child_dies_with_a_parent_that_is_killed(library, tmp_path, create):
    model = tmp_path / "model.tflite"
    model.write_bytes(pair.compiled_model(F))
    arguments = [sys.executable, "-c", PARENT, model, library, create]
    with subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        child = wait_for_child_of(parent.pid, library)
        parent.kill()
    with os.fdopen(child):
        assert select.select([child], [], [], LONG_S)[0], "it still runs"


def wait_for_child_of(pid, library):
    """Return a pidfd of the child, once it has loaded the library."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    while True:
        for child in children.read_text().split():
            if str(library) in Path(f"/proc/{child}/maps").read_text():
                return os.pidfd_open(int(child))

"""A delegate that crashes or hangs costs its child process and nothing else."""

import gc
import itertools
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from delegate import pair

from sensorml.backoff import RationedBackOff
from sensorml.delegates.child_engine import SharedChild, open_child
from sensorml.delegates.child_main import renumbered
from sensorml.delegates.failover import FailoverEngine, Opened
from sensorml.delegates.tolerance import Tolerance
from sensorml.errors import DelegateError
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import parse

F = 4
LONG_S = 60.0  # a deadline that no test reaches
SHORT_S = 0.05


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    return pair.build(tmp_path_factory.mktemp("delegate"))


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


def rows(n):
    return np.random.default_rng(3).standard_normal((n, F)).astype(np.float32)


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


OLD = ": its library may be too old for this TFLite runtime$"
RESTART = "switch its power off and on; if that does not help, build it"
OPENING_FAILS = {
    "segv": ("SIGSEGV while it opened" + OLD, "build it"),
    "corrupt": (r"SIGABRT while it opened .*free\(\).*" + OLD, "build it"),
    "abort": ("SIGABRT while it opened .*lost$", "check its plug and its power"),
    "exit": ("ended with exit code 3 while it opened$", RESTART),
}


@pytest.mark.parametrize("when", ["create", "prepare", "invoke"])
@pytest.mark.parametrize("how", OPENING_FAILS)
def test_a_failed_opening_has_a_reason_and_a_cure(opened_child, when, how):
    reason, cure = OPENING_FAILS[how]
    with pytest.raises(DelegateError) as caught:
        opened_child(**{when: how})
    assert re.search(f"^edgetpu: .*{reason}", caught.value.reason.what)
    assert caught.value.reason.cure == cure


@pytest.mark.parametrize(
    ("options", "reason", "cure"),
    [
        ({"create": "null"}, "does not open", "check that the device is present"),
        (
            {"prepare": "fail"},
            "failed to prepare$",
            "compile the model again; if .*it$",
        ),
        ({"invoke": "fail"}, "Failed to execute request", RESTART),
    ],
)
def test_a_refusal_by_the_library_is_a_reason(opened_child, options, reason, cure):
    with pytest.raises(DelegateError) as caught:
        opened_child(**options)
    assert re.search(f"^edgetpu: .*{reason}", caught.value.reason.what)
    assert re.search(cure, caught.value.reason.cure)


@pytest.mark.parametrize("when", ["create", "prepare", "invoke"])
def test_an_opening_may_be_slow_and_print(opened_child, when):
    child = opened_child(**{when: "slow"})
    assert len(child.infer(rows(1)).outputs) == 1
    child = opened_child(**{when: "print"})
    assert len(child.infer(rows(1)).outputs) == 1


@pytest.mark.parametrize("when", ["create", "prepare", "invoke"])
def test_an_opening_that_hangs_can_be_cancelled(library, when, capfd):
    class OnceItHangs(threading.Event):
        """Set once the library has printed that it waits."""

        output = ""

        def is_set(self):
            self.output += capfd.readouterr().err
            return "waits for a device" in self.output

    accelerator = Accelerator("edgetpu", str(library), {when: "hang"})
    with pytest.raises(DelegateError, match="its opening was cancelled"):
        open_child(
            parse(pair.compiled_model(F)),
            accelerator,
            open_s=LONG_S,
            cancel=OnceItHangs(),
        )


def test_an_opening_that_hangs_ends_at_its_deadline(opened_child):
    with pytest.raises(
        DelegateError, match=r"no answer within 0\.05 s while it opened"
    ):
        opened_child(open_s=SHORT_S, create="hang")


def test_an_operator_that_the_library_lacks_is_a_reason(opened_child):
    other = pair.compiled_model(F, custom_op="other-op")
    with pytest.raises(DelegateError, match=r"custom op: other-op.*: its library may"):
        opened_child(model=other)


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


STICKS = [f"/sys/bus/usb/devices/2-{port}" for port in (1, 2)]


@pytest.mark.parametrize("order", [STICKS, STICKS[::-1]])
def test_the_stick_is_opened_by_its_path_whatever_number_it_has(
    library, monkeypatch, capfd, order
):
    monkeypatch.setenv("DELEGATE_DEVICES", " ".join(order))
    accelerator = Accelerator(
        "edgetpu", str(library), {"device": "usb:1"}, "", STICKS[1]
    )
    open_child(parse(pair.compiled_model(F)), accelerator).close()
    assert f"opens {STICKS[1]}\n" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["libc.so.6", "/nonexistent/libnone.so"])
def test_a_library_that_cannot_list_its_devices_gets_the_number_unchanged(name):
    accelerator = Accelerator("edgetpu", name, {"device": "usb:1"}, "", STICKS[1])
    assert renumbered(accelerator) == accelerator


def test_a_stick_that_the_library_does_not_see_is_a_reason(library, monkeypatch):
    monkeypatch.setenv("DELEGATE_DEVICES", STICKS[0])
    accelerator = Accelerator(
        "edgetpu", str(library), {"device": "usb:1"}, "", STICKS[1]
    )
    with pytest.raises(DelegateError, match=rf"^edgetpu: .* does not see {STICKS[1]}"):
        open_child(parse(pair.compiled_model(F)), accelerator)


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


def pid_of(child):
    return child._child._child._process.pid

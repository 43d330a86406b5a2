"""The opening of a delegate in a child process, which may fail or hang."""

import re
import threading

import pytest
from delegate import pair
from delegate.child import LONG_S, RESTART, SHORT_S, F, rows

from sensorml.delegates.child_engine import open_child
from sensorml.delegates.child_main import renumbered
from sensorml.errors import DelegateError
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.tflite_file import parse

OLD = ": its library may be too old for this TFLite runtime$"
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

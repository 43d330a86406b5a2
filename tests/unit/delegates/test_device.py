"""Models on one device are opened together, after the cheap checks."""

import threading
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from delegate import pair

from sensorml.delegates.checks import Rung, Verdict
from sensorml.delegates.device import AcceleratorDevice
from sensorml.delegates.qualification import DeviceState
from sensorml.errors import DelegateError, Reason
from sensorml.inference.tflite_file import parse

F = 4
GO = threading.Event()


class Bench:
    """A device with a given verdict; examinations and resets are counted."""

    def __init__(self, library, **options):
        self.examinations = 0
        self.resets = []
        self.verdict = Verdict(
            delegate="stick",
            title="",
            rung=Rung.PASSED,
            reason=None,
            library=str(library),
            tried=False,
            warnings=(),
        )
        self.device = AcceleratorDevice(
            "stick", options, self.examine, cure="build it", reset=self.reset
        )

    def examine(self):
        self.examinations += 1
        return DeviceState(self.verdict, usb_node="/dev/bus/usb/002/003")

    def reset(self, node):
        self.resets.append(node)
        return "it is no real stick"

    def add(self, n=1):
        return self.device.add(parse(pair.compiled_model(n * F)))


def window(n=1):
    return np.zeros((1, n * F), np.float32)


def test_models_on_a_device_are_opened_together(library):
    bench = Bench(library)
    small, large = bench.add(1), bench.add(2)
    with closing(small.open(GO)) as one, closing(large.open(GO)) as two:
        assert bench.examinations == 1
        assert one._child is two._child
        assert one.infer(window(1)).outputs.shape == (1, F)
        assert two.infer(window(2)).outputs.shape == (1, 2 * F)


def test_a_device_without_users_is_opened_again(library):
    bench = Bench(library)
    slot = bench.add()
    first = slot.open(GO)
    first.close()
    with closing(slot.open(GO)) as second:
        assert second._child is not first._child
    assert bench.resets == []


def test_a_device_without_write_access_is_not_opened(library):
    bench = Bench(library, create="hang")
    slot = bench.add()
    bench.verdict = replace(
        bench.verdict,
        rung=Rung.ACCESS,
        reason=Reason("access to /dev/bus/usb/002/003 is denied", "join the group"),
    )
    with pytest.raises(DelegateError, match=r"^stick: access .* is denied: join"):
        slot.open(GO)


def test_a_model_that_was_dropped_is_not_opened(library):
    bench = Bench(library)
    gone, stays = bench.add(1), bench.add(2)
    gone.drop()
    with closing(stays.open(GO)) as engine:
        assert engine._child.engine(gone.number) is None
        assert engine.infer(window(2)).outputs.shape == (1, 2 * F)


def test_a_stick_that_hung_is_reset_before_it_is_opened_again(library):
    bench = Bench(library, invoke="hang", after="1")
    slot = bench.add()
    with closing(slot.open(GO)) as engine:
        engine._child._invoke_s = 0.05
        with pytest.raises(DelegateError, match="no answer"):
            engine.infer(window())
        assert bench.resets == []
    slot.open(GO).close()
    assert bench.resets == ["/dev/bus/usb/002/003"]
    slot.open(GO).close()
    assert len(bench.resets) == 1


def test_a_stick_that_another_process_uses_by_now_is_not_reset(library):
    bench = Bench(library, invoke="hang", after="1")
    slot = bench.add()
    with closing(slot.open(GO)) as engine:
        engine._child._invoke_s = 0.05
        with pytest.raises(DelegateError, match="no answer"):
            engine.infer(window())
    bench.verdict = replace(bench.verdict, rung=Rung.OWNER, reason=Reason("in use"))
    with pytest.raises(DelegateError, match="in use"):
        slot.open(GO)
    assert bench.resets == []


def test_models_that_wait_for_one_opening_share_its_failure(library):
    """A second opening would only reset the stick again."""
    bench = Bench(library, create="null")
    slots = [bench.add(), bench.add()]
    first_examines = threading.Event()
    second_waits = threading.Event()
    usual = bench.examine

    def examine():
        first_examines.set()
        second_waits.wait()
        return usual()

    bench.device._examine = examine
    reasons = []

    def use(slot):
        with pytest.raises(DelegateError, match="does not open") as caught:
            slot.open(GO)
        reasons.append(str(caught.value))

    class Waiting(threading.Event):
        """Never set; checked while its owner waits for the other opening."""

        def is_set(self):
            second_waits.set()
            return False

    def wait():
        first_examines.wait()
        with pytest.raises(DelegateError, match="does not open") as caught:
            slots[1].open(Waiting())
        reasons.append(str(caught.value))

    threads = [
        threading.Thread(target=use, args=(slots[0],)),
        threading.Thread(target=wait),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.examinations == 1
    assert reasons[0] == reasons[1]


def test_waiting_for_another_opening_can_be_cancelled(library):
    bench = Bench(library)
    slot = bench.add()
    cancel = threading.Event()
    cancel.set()
    with bench.device._lock, pytest.raises(DelegateError, match="cancelled"):
        slot.open(cancel)

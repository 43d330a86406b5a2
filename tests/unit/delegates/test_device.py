"""Models on one device: opened together, and only when nothing speaks against it."""

import shutil
import threading
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from delegate import pair

from sensorml.delegates.checks import Rung, Verdict
from sensorml.delegates.device import Device
from sensorml.delegates.qualification import Sight
from sensorml.errors import DelegateError
from sensorml.inference.tflite_file import parse

F = 4
GO = threading.Event()


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    return pair.build(tmp_path_factory.mktemp("delegate"))


class Bench:
    """A device that looks as it is told, and whose resets are written down."""

    def __init__(self, library, **options):
        self.looks = 0
        self.resets = []
        self.verdict = Verdict(
            delegate="stick",
            title="",
            rung=Rung.PASSED,
            why_not=None,
            cure="",
            library=str(library),
            tried=False,
            warnings=(),
        )
        self.device = Device(
            "stick", options, self.look, cure="build it", reset=self.reset
        )

    def look(self):
        self.looks += 1
        return Sight(self.verdict, stick="/dev/bus/usb/002/003")

    def reset(self, node):
        self.resets.append(node)
        return "it is no real stick"

    def add(self, n=1):
        return self.device.add(parse(pair.compiled_model(n * F)))


def window(n=1):
    return np.zeros((1, n * F), np.float32)


def test_models_on_a_device_are_opened_at_once(library):
    bench = Bench(library)
    small, large = bench.add(1), bench.add(2)
    with closing(small.open(GO)) as one, closing(large.open(GO)) as two:
        assert bench.looks == 1
        assert one._child is two._child
        assert one.infer(window(1)).outputs.shape == (1, F)
        assert two.infer(window(2)).outputs.shape == (1, 2 * F)


def test_a_device_that_nobody_uses_any_more_is_opened_anew(library):
    bench = Bench(library)
    place = bench.add()
    first = place.open(GO)
    first.close()
    with closing(place.open(GO)) as second:
        assert second._child is not first._child
    assert bench.resets == []


def test_nothing_is_opened_that_cannot_be_written(library):
    bench = Bench(library, create="hang")
    place = bench.add()
    bench.verdict = replace(
        bench.verdict,
        rung=Rung.ACCESS,
        why_not="/dev/bus/usb/002/003 may not be written",
        cure="join the group",
    )
    with pytest.raises(DelegateError, match=r"^stick: .*may not be written: join"):
        place.open(GO)


def test_a_model_that_was_dropped_is_not_opened(library):
    bench = Bench(library)
    gone, stays = bench.add(1), bench.add(2)
    gone.drop()
    with closing(stays.open(GO)) as engine:
        assert engine._child.engine(gone.number) is None
        assert engine.infer(window(2)).outputs.shape == (1, 2 * F)


def test_a_stick_that_hung_is_reset_before_it_is_opened_again(library):
    bench = Bench(library, invoke="hang", after="1")
    place = bench.add()
    with closing(place.open(GO)) as engine:
        engine._child._invoke_s = 0.05
        with pytest.raises(DelegateError, match="no answer"):
            engine.infer(window())
        assert bench.resets == []
    place.open(GO).close()
    assert bench.resets == ["/dev/bus/usb/002/003"]
    place.open(GO).close()
    assert len(bench.resets) == 1


def test_a_stick_that_another_process_has_by_now_is_not_reset(library):
    bench = Bench(library, invoke="hang", after="1")
    place = bench.add()
    with closing(place.open(GO)) as engine:
        engine._child._invoke_s = 0.05
        with pytest.raises(DelegateError, match="no answer"):
            engine.infer(window())
    bench.verdict = replace(bench.verdict, rung=Rung.OWNER, why_not="in use")
    with pytest.raises(DelegateError, match="in use"):
        place.open(GO)
    assert bench.resets == []


def test_models_that_wait_for_one_opening_share_its_failure(library):
    """A second try at once would only reset the stick once more."""
    bench = Bench(library, create="null")
    places = [bench.add(), bench.add()]
    first_looks = threading.Event()
    second_waits = threading.Event()
    usual = bench.look

    def look():
        first_looks.set()
        second_waits.wait()
        return usual()

    bench.device._look = look
    reasons = []

    def use(place):
        with pytest.raises(DelegateError, match="does not open") as caught:
            place.open(GO)
        reasons.append(str(caught.value))

    class Waiting(threading.Event):
        """Set never; asked when its owner waits for the other's opening."""

        def is_set(self):
            second_waits.set()
            return False

    def wait():
        first_looks.wait()
        with pytest.raises(DelegateError, match="does not open") as caught:
            places[1].open(Waiting())
        reasons.append(str(caught.value))

    threads = [
        threading.Thread(target=use, args=(places[0],)),
        threading.Thread(target=wait),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.looks == 1
    assert reasons[0] == reasons[1]


def test_waiting_for_anothers_opening_can_be_given_up(library):
    bench = Bench(library)
    place = bench.add()
    given_up = threading.Event()
    given_up.set()
    with bench.device._lock, pytest.raises(DelegateError, match="given up"):
        place.open(given_up)

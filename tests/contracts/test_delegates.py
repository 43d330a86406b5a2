"""The contract of delegates/: each file has all that the checks need."""

from pathlib import Path

import pytest

from sensorml.delegates.descriptor import Delegate, delegates
from sensorml.pipeline.model_card import CPU_FILE, EDGETPU_FILE
from sensorml.resources import folders

VELA_FILE = "model_vela.tflite"
DELEGATES = delegates(folders("delegates", site=Path("/nonexistent")))


@pytest.mark.parametrize("delegate", DELEGATES.values(), ids=DELEGATES)
def test_the_model_file_of_a_delegate_belongs_to_a_model_folder(delegate: Delegate):
    assert delegate.model.file in {CPU_FILE, EDGETPU_FILE, VELA_FILE}
    assert set(delegate.model.dtypes) <= {"float32", "int8", "uint8"}


@pytest.mark.parametrize("delegate", DELEGATES.values(), ids=DELEGATES)
def test_every_delegate_but_the_cpu_names_its_library(delegate: Delegate):
    assert (delegate.library is None) == (delegate.name == "cpu")


@pytest.mark.parametrize("delegate", DELEGATES.values(), ids=DELEGATES)
def test_only_edge_tpus_are_numbered(delegate: Delegate):
    options = delegate.library.options if delegate.library else {}
    numbered = bool(delegate.match.usb or delegate.match.pci)

    assert ("device" in options) == numbered
    assert delegate.access is not None or not numbered


@pytest.mark.parametrize("delegate", DELEGATES.values(), ids=DELEGATES)
def test_auto_tries_only_delegates_with_a_device(delegate: Delegate):
    match = delegate.match
    device = match.usb or match.pci or match.node

    assert not delegate.auto or device or delegate.name == "cpu"


@pytest.mark.parametrize("delegate", DELEGATES.values(), ids=DELEGATES)
def test_a_delegate_that_was_not_tried_names_its_sources(delegate: Delegate):
    text = delegate.path.read_text(encoding="utf-8")

    assert delegate.tried or "written from" in text


def test_the_cpu_always_matches():
    assert DELEGATES["cpu"].match.always


def test_only_the_cpu_has_been_tried():
    tried = {name for name, delegate in DELEGATES.items() if delegate.tried}

    assert tried == {"cpu"}

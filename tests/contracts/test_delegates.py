"""Every file in delegates/ says all that the ladder needs."""

from pathlib import Path

import pytest

from sensorml.cards import CPU_FILE, EDGETPU_FILE
from sensorml.hardware.descriptors import Delegate, delegates
from sensorml.resources import folders

DELEGATES = delegates(folders("delegates", site=Path("/nonexistent")))


@pytest.mark.parametrize("delegate", DELEGATES.values(), ids=DELEGATES)
def test_a_delegate_runs_a_file_that_a_model_folder_can_hold(delegate: Delegate):
    assert delegate.model.file in {CPU_FILE, EDGETPU_FILE}
    assert set(delegate.model.dtypes) <= {"float32", "int8", "uint8"}


@pytest.mark.parametrize("delegate", DELEGATES.values(), ids=DELEGATES)
def test_a_delegate_with_a_device_names_its_library_and_its_group(delegate: Delegate):
    if delegate.match.usb or delegate.match.pci:
        assert delegate.library is not None
        assert delegate.access is not None
        assert set(delegate.library.options) == {"device"}
    else:
        assert delegate.library is None


def test_the_cpu_is_always_there():
    assert DELEGATES["cpu"].match.always


def test_only_what_ran_on_its_device_is_called_tried():
    tried = {name for name, delegate in DELEGATES.items() if delegate.tried}

    assert tried == {"cpu"}

"""The selection of one of several sticks or chips."""

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from sensorml.delegates import numbering
from sensorml.delegates.checks import Rung, RuntimeVerdict, judge
from sensorml.delegates.descriptor import delegates
from sensorml.delegates.device import reset_usb
from sensorml.hardware.devices import Apex, Node, PciDevice, UsbDevice
from sensorml.hardware.facts import Facts
from sensorml.resources import folders

DELEGATES = delegates(folders("delegates", site=Path("/nonexistent")))
USB, PCI, CPU = (DELEGATES[n] for n in ("edgetpu-usb", "edgetpu-pci", "cpu"))
RUNTIME = RuntimeVerdict("ai-edge-litert", "2.3.0")


def node(path, *, writable=True):
    return Node(path, exists=True, readable=True, writable=writable)


def stick(n, *, writable=True):
    path = f"/dev/bus/usb/002/00{n}"
    return UsbDevice(
        "18d1:9302", f"2-{n}", 2, n, 5000.0, "", node(path, writable=writable)
    )


def chip(n, *, owner=None):
    return Apex(f"apex_{n}", node(f"/dev/apex_{n}"), 40.0, "", bool(owner), owner, ())


@pytest.fixture
def machine(tmp_path):
    """A machine with the library, a keyboard and two sticks, the first one denied."""
    library = tmp_path / "usr/lib/libedgetpu.so.1"
    library.parent.mkdir(parents=True)
    library.write_text("not a library")
    keyboard = UsbDevice("046d:c31c", "1-1", 1, 2, 1.5, "", node("/dev/bus/usb/001/2"))
    return replace(
        Facts.gather(tmp_path),
        machine="aarch64",
        bits=64,
        usb=(keyboard, stick(1, writable=False), stick(2)),
    )


@pytest.mark.parametrize(
    ("delegate", "device", "option"),
    [
        (USB, None, "usb:0"),
        (USB, "usb", "usb:0"),
        (USB, "usb:1", "usb:1"),
        (USB, ":2", "usb:2"),
        (PCI, None, "pci:0"),
        (PCI, ":1", "pci:1"),
        (CPU, None, ""),
        (CPU, ":1", ":1"),
    ],
)
def test_one_device_has_one_spelling(delegate, device, option):
    assert numbering.device_option(delegate, device) == option


def test_a_library_without_a_device_option_gets_none(machine):
    library = structs.replace(USB.library, options={})
    other = structs.replace(USB, library=library)
    assert judge(machine, other, RUNTIME).device is None
    assert judge(machine, other, RUNTIME).usable
    assert numbering.device_option(other, None) == ""
    assert numbering.path(machine, other, "second") == ""


def test_only_the_chosen_stick_counts(machine):
    first = judge(machine, USB, RUNTIME, device="usb:0")
    assert first.rung is Rung.ACCESS
    assert "/dev/bus/usb/002/001" in first.reason.what
    assert judge(machine, USB, RUNTIME, device="usb:1").usable
    assert judge(machine, USB, RUNTIME).usable


def test_without_a_name_the_first_free_device_is_chosen(machine):
    assert judge(machine, USB, RUNTIME).device == "usb:1"
    busy = replace(machine, usb=(replace(stick(1), claimed=True), stick(2)))
    assert judge(busy, USB, RUNTIME).device == "usb:1"
    assert judge(replace(machine, usb=()), USB, RUNTIME).device is None
    assert judge(machine, CPU, RUNTIME).device is None


def test_several_devices_are_listed_by_number(machine):
    assert "usb:0 is 2-1, usb:1 is 2-2" in judge(machine, USB, RUNTIME).notes
    chips = replace(machine, apex=(chip(0), chip(1)))
    assert [*numbering.number_notes(chips, PCI)] == ["pci:0 is apex_0, pci:1 is apex_1"]
    assert [*numbering.number_notes(replace(machine, usb=(stick(1),)), USB)] == []


def test_a_device_has_the_path_that_libedgetpu_lists(machine):
    assert numbering.path(machine, USB, "usb:1") == "/sys/bus/usb/devices/2-2"
    assert numbering.path(machine, USB, "usb:2") == ""
    chips = replace(machine, apex=(chip(0), chip(1)))
    assert numbering.path(chips, PCI, "pci:1") == "/dev/apex_1"
    assert numbering.path(machine, CPU, None) == ""


def test_a_missing_stick_is_a_reason(machine):
    verdict = judge(machine, USB, RUNTIME, device="usb:2")
    assert verdict.rung is Rung.DEVICE
    assert verdict.reason.what == "device usb:2 is missing: 2 found, counted from 0"


def test_a_device_of_another_kind_is_a_reason(machine):
    verdict = judge(machine, USB, RUNTIME, device="pci:0")
    assert "device pci:0 is not one of usb, usb:1" in verdict.reason.what


def test_without_any_device_the_absence_is_the_reason(machine):
    none = replace(machine, usb=())
    assert "no USB device" in judge(none, USB, RUNTIME, device="usb:1").reason.what


def test_only_the_chosen_chip_counts(machine):
    facts = replace(
        machine,
        page_size_bytes=4096,
        pci=(PciDevice("1ac1:089a", "0000:01:00.0"),),
        apex=(chip(0, owner=17), chip(1)),
    )
    owned = judge(facts, PCI, RUNTIME, device="pci:0")
    assert owned.rung is Rung.OWNER
    assert judge(facts, PCI, RUNTIME, device=":1").usable


def test_devices_of_other_kinds_stay_in_the_facts(machine):
    facts = numbering.restricted(machine, USB, "usb:1")
    assert [device.port for device in facts.usb] == ["1-1", "2-2"]


def test_a_reset_is_one_ioctl_on_the_device_file(tmp_path):
    path = tmp_path / "002"
    path.write_bytes(b"")
    calls = []
    error = reset_usb(
        str(path), lambda fd, number: calls.append((Path(f"/dev/fd/{fd}"), number))
    )
    assert error is None
    assert [number for _, number in calls] == [0x5514]


def test_a_reset_that_fails_returns_the_error(tmp_path):
    path = tmp_path / "002"
    assert "No such file" in reset_usb(str(path))
    path.write_bytes(b"")
    assert "Inappropriate ioctl" in reset_usb(str(path))

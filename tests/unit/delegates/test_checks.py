"""Each check of a delegate has its own reason and cure."""

from dataclasses import replace
from pathlib import Path

import pytest

from sensorml.delegates import libraries
from sensorml.delegates.checks import Rung, RuntimeVerdict, Verdict, judge
from sensorml.delegates.descriptor import Delegate, delegates
from sensorml.delegates.known_issues import library_warnings
from sensorml.delegates.libraries import LoadResult
from sensorml.errors import Reason
from sensorml.hardware.devices import Apex, Node, PciDevice, UsbDevice
from sensorml.hardware.facts import Facts
from sensorml.resources import folders

DELEGATES = delegates(folders("delegates", site=Path("/nonexistent")))
USB, PCI, CPU, VX, ETHOSU, ARMNN = (
    DELEGATES[name]
    for name in ("edgetpu-usb", "edgetpu-pci", "cpu", "vx", "ethosu", "armnn")
)
RUNTIME = RuntimeVerdict("ai-edge-litert", "2.3.0")
OPEN = Node("/dev/x", exists=True, readable=True, writable=True)
STICK = UsbDevice("18d1:9302", "2-1", 2, 3, 5000.0, "", OPEN)
CHIP = Apex(
    "apex_0",
    replace(OPEN, path="/dev/apex_0"),
    temp_c=45.0,
    status="ALIVE",
    owned=False,
    owner=None,
    trip_points_c=(85.0, 90.0, 95.0),
)


@pytest.fixture
def machine(tmp_path: Path) -> Facts:
    """A 64-bit Arm machine with the library and no accelerator."""
    library = tmp_path / "usr/lib/aarch64-linux-gnu/libedgetpu.so.1"
    library.parent.mkdir(parents=True)
    library.write_text("not a library")
    return replace(
        Facts.gather(tmp_path), machine="aarch64", bits=64, page_size_bytes=4096
    )


def with_stick(facts: Facts, stick: UsbDevice = STICK) -> Facts:
    return replace(facts, usb=(stick,))


def with_chip(facts: Facts, chip: Apex = CHIP) -> Facts:
    return replace(facts, pci=(PciDevice("1ac1:089a", "0000:01:00.0"),), apex=(chip,))


def fails(
    facts: Facts, delegate: Delegate, runtime: RuntimeVerdict = RUNTIME
) -> Verdict:
    verdict = judge(facts, delegate, runtime)
    assert verdict.reason is not None
    assert verdict.reason.cure
    return verdict


def test_the_cpu_is_usable_wherever_there_is_a_runtime(machine: Facts):
    assert judge(machine, CPU, RUNTIME).usable


def test_without_a_runtime_nothing_is_usable(machine: Facts):
    none = RuntimeVerdict(reason=Reason("no TFLite runtime", "install one"))

    assert fails(machine, CPU, none).rung is Rung.RUNTIME
    assert fails(with_stick(machine), USB, none).rung is Rung.RUNTIME


def test_a_missing_device_is_the_first_reason(machine: Facts):
    none = RuntimeVerdict(reason=Reason("no TFLite runtime", "install one"))

    assert fails(machine, USB, none).rung is Rung.DEVICE


@pytest.mark.parametrize("identity", ["1a6e:089a", "18d1:9302"])
def test_a_stick_is_usable_before_and_after_its_firmware(machine: Facts, identity: str):
    verdict = judge(with_stick(machine, replace(STICK, id=identity)), USB, RUNTIME)

    assert verdict.usable
    assert verdict.library is not None
    assert not verdict.warnings


def test_a_device_file_without_write_access_names_the_group(machine: Facts):
    stick = replace(STICK, node=replace(OPEN, writable=False))
    chip = replace(CHIP, node=replace(OPEN, writable=False))

    assert "plugdev" in fails(with_stick(machine, stick), USB).reason.cure
    assert "apex" in fails(with_chip(machine, chip), PCI).reason.cure


def test_a_missing_device_file_has_its_own_reason(machine: Facts):
    stick = replace(STICK, node=Node("/dev/x", False, False, False))

    verdict = fails(with_stick(machine, stick), USB)

    assert verdict.rung is Rung.ACCESS
    assert verdict.reason.what == "/dev/x does not exist"


def test_one_usable_device_is_enough(machine: Facts):
    closed = replace(STICK, port="2-2", node=replace(OPEN, writable=False))
    facts = replace(machine, usb=(closed, STICK))

    assert judge(facts, USB, RUNTIME).usable


def test_a_stick_in_use_is_never_opened_by_another(machine: Facts):
    claimed = replace(STICK, claimed=True)

    verdict = fails(with_stick(machine, claimed), USB)

    assert verdict.rung is Rung.OWNER
    assert "fuser /dev/x" in verdict.reason.cure


def test_of_several_sticks_the_free_one_is_named(machine: Facts):
    facts = replace(machine, usb=(replace(STICK, claimed=True), STICK))

    assert judge(facts, USB, RUNTIME).device == "usb:1"
    named = judge(facts, USB, RUNTIME, device="usb:0")
    assert named.reason.cure.endswith('or name a free one: device = "usb:1"')


def test_a_stick_without_firmware_is_reported_as_normal(machine: Facts):
    (note,) = judge(
        with_stick(machine, replace(STICK, id="1a6e:089a")), USB, RUNTIME
    ).notes

    assert "normal" in note
    assert judge(with_stick(machine), USB, RUNTIME).notes == ()


NODE = replace(OPEN, path="/dev/galcore")


def on_imx(facts: Facts, *nodes: Node) -> Facts:
    return replace(facts, dt_compatible=("fsl,imx8mp",), accelerators=nodes)


def test_a_device_file_is_expected_on_its_board_only(machine: Facts):
    assert "driver" in fails(on_imx(machine), VX).reason.cure
    elsewhere = replace(machine, accelerators=(NODE,))
    assert fails(elsewhere, VX).reason.what == "device tree is not fsl,imx8mp"
    assert "another board" in fails(elsewhere, VX).reason.cure


def test_an_accelerator_of_the_soc_needs_access_and_then_its_library(
    machine: Facts,
):
    closed = replace(NODE, writable=False)

    verdict = fails(on_imx(machine, closed), VX)

    assert (verdict.rung, verdict.reason.what) == (
        Rung.ACCESS,
        "access to /dev/galcore is denied",
    )
    assert "video" in verdict.reason.cure
    assert fails(on_imx(machine, NODE), VX).rung is Rung.LIBRARY


def test_a_device_file_without_a_usual_group_has_a_cure_too(machine: Facts):
    closed = Node("/dev/ethosu0", exists=True, readable=False, writable=False)

    facts = replace(machine, dt_compatible=("fsl,imx93",), accelerators=(closed,))
    assert "udev" in fails(facts, ETHOSU).reason.cure


def test_the_driver_of_another_board_is_not_recommended(machine: Facts):
    assert "another board" in fails(machine, ETHOSU).reason.cure
    assert (
        "driver"
        in fails(replace(machine, dt_compatible=("fsl,imx93",)), ETHOSU).reason.cure
    )


def test_an_unknown_processor_is_not_reported_as_another(machine: Facts):
    unknown, pc = (replace(machine, machine=name) for name in ("", "x86_64"))

    assert fails(unknown, ARMNN).reason.what == "processor is not known to be aarch64"
    assert fails(pc, ARMNN).reason.what == "processor is not aarch64"


def test_a_library_that_google_built_for_an_old_tensorflow_is_a_warning(
    machine: Facts, monkeypatch: pytest.MonkeyPatch
):
    label = "BuildLabel(COMPILER=6.3.0 20170516,DATE=redacted), RuntimeVersion(14)"
    monkeypatch.setattr(libraries, "load", lambda _path: LoadResult(label))

    verdict = judge(with_stick(replace(machine, live=True)), USB, RUNTIME)

    assert verdict.usable
    assert verdict.library_version == label
    assert "GCC 6" in verdict.warnings[0]
    assert "feranick" in verdict.warnings[0]


@pytest.mark.parametrize(
    "change",
    [
        {"usb": ()},
        {"usb": (replace(STICK, node=replace(OPEN, writable=False)),)},
        {"usb": (replace(STICK, claimed=True),)},
    ],
)
def test_a_library_that_is_too_old_is_reported_before_a_stick_is_usable(
    machine: Facts, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
):
    label = "BuildLabel(COMPILER=5.4.0 20160609,DATE=redacted), RuntimeVersion(13)"
    monkeypatch.setattr(libraries, "load", lambda _path: LoadResult(label))

    verdict = fails(replace(machine, live=True, **change), USB)

    assert verdict.rung in {Rung.DEVICE, Rung.ACCESS, Rung.OWNER}
    assert verdict.library_version == label
    assert "too old" in verdict.warnings[0]


@pytest.mark.parametrize(
    ("version", "phrase"),
    [
        ("BuildLabel(COMPILER=5.4.0 20160609), RuntimeVersion(13)", "version 13"),
        ("BuildLabel(COMPILER=12.2.0,DATE=redacted), RuntimeVersion(14)", ""),
        ("BuildLabel(COMPILER=MSVC 192528612), RuntimeVersion(14)", ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_the_version_of_libedgetpu_is_read(version: str, phrase: str):
    warnings = list(library_warnings(version, USB))

    assert len(warnings) == bool(phrase)
    assert phrase in "".join(warnings)


def test_a_chip_that_is_in_use_names_the_process(machine: Facts):
    owned = replace(CHIP, owned=True, owner=4711)

    verdict = fails(with_chip(machine, owned), PCI)

    assert verdict.rung is Rung.OWNER
    assert "4711" in verdict.reason.what


def test_a_dead_link_is_recognised_by_its_temperature(machine: Facts):
    assert fails(with_chip(machine, replace(CHIP, temp_c=-89.7)), PCI).rung is Rung.LINK
    assert judge(with_chip(machine, replace(CHIP, temp_c=-10.0)), PCI, RUNTIME).usable


def test_a_card_without_its_driver_names_the_package(machine: Facts):
    facts = replace(with_chip(machine), apex=())

    assert "gasket" in fails(facts, PCI).reason.cure


def test_large_pages_are_refused_for_the_card_only(machine: Facts):
    facts = replace(with_chip(with_stick(machine)), page_size_bytes=16384)

    verdict = fails(facts, PCI)

    assert verdict.rung is Rung.SYSTEM
    assert "kernel8.img" in verdict.reason.cure
    assert judge(facts, USB, RUNTIME).usable


def test_an_unknown_page_size_is_no_reason(machine: Facts):
    assert judge(replace(with_chip(machine), page_size_bytes=None), PCI, RUNTIME).usable


def test_a_missing_library_has_the_build_to_install_as_its_cure(tmp_path: Path):
    facts = with_stick(Facts.gather(tmp_path))

    verdict = fails(facts, USB)

    assert verdict.rung is Rung.LIBRARY
    assert "libedgetpu1-std" in verdict.reason.cure


def test_a_library_for_another_processor_is_not_found(machine: Facts):
    facts = with_stick(replace(machine, machine="x86_64"))

    assert fails(facts, USB).rung is Rung.LIBRARY


def test_a_library_in_a_folder_of_ld_so_conf_is_found(tmp_path: Path):
    (tmp_path / "etc/ld.so.conf.d").mkdir(parents=True)
    (tmp_path / "etc/ld.so.conf.d/tpu.conf").write_text("# TPU\n/opt/tpu/lib\n")
    (tmp_path / "opt/tpu/lib").mkdir(parents=True)
    (tmp_path / "opt/tpu/lib/libedgetpu.so.1").touch()

    verdict = judge(with_stick(Facts.gather(tmp_path)), USB, RUNTIME)

    assert verdict.library == str(tmp_path / "opt/tpu/lib/libedgetpu.so.1")


def test_on_the_running_machine_a_library_that_does_not_load_is_a_reason(
    machine: Facts,
):
    verdict = fails(with_stick(replace(machine, live=True)), USB)

    assert verdict.rung is Rung.LIBRARY
    assert "does not load" in verdict.reason.what


def test_a_stick_in_a_usb_2_port_is_usable_with_a_warning(machine: Facts):
    verdict = judge(with_stick(machine, replace(STICK, speed_mbps=480.0)), USB, RUNTIME)

    assert verdict.usable
    assert "no faster port" in verdict.warnings[0]


def test_a_blue_port_is_recommended_where_there_is_one(machine: Facts):
    hub = replace(STICK, id="1d6b:0003", port="usb2", speed_mbps=5000.0)
    slow = replace(STICK, speed_mbps=480.0)

    verdict = judge(replace(machine, usb=(hub, slow)), USB, RUNTIME)

    assert "use a blue USB 3 port" in verdict.warnings[0]


def test_the_link_speed_of_a_card_is_a_note(machine: Facts):
    card = PciDevice("1ac1:089a", "0000:01:00.0", link_gtps=5.0, link_lanes=1)
    facts = replace(with_chip(machine), pci=(card,))

    assert judge(facts, PCI, RUNTIME).notes == ("0000:01:00.0 at 5 GT/s x1",)
    assert judge(replace(facts, apex=()), PCI, RUNTIME).notes != ()
    assert judge(with_chip(machine), PCI, RUNTIME).notes == ()


@pytest.mark.parametrize(("temp_c", "factor"), [(85.0, 2), (93.0, 4), (96.0, 8)])
def test_a_hot_chip_is_a_warning_with_its_clock_divider(
    machine: Facts, temp_c: float, factor: int
):
    verdict = judge(with_chip(machine, replace(CHIP, temp_c=temp_c)), PCI, RUNTIME)

    assert f"divided by {factor}:" in verdict.warnings[0]

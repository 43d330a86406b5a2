"""Facts of a machine: its devices, buses, processor and firmware."""

import os
from pathlib import Path

import pytest
from machine_tree import card, stick, write

from sensorml.hardware.facts import Facts


def test_an_empty_root_has_no_facts(tmp_path: Path):
    facts = Facts.gather(tmp_path)

    assert (facts.model, facts.machine, facts.cpu.cores) == ("", "", 0)
    assert facts.memory_bytes is None
    assert facts.page_size_bytes is None
    assert facts.usb == facts.pci == facts.apex == facts.i2c == facts.gpio == ()


def test_a_root_that_is_missing_or_a_file_has_no_facts(tmp_path: Path):
    assert Facts.gather(tmp_path / "nowhere").dt_compatible == ()
    assert Facts.gather(write(tmp_path, "file", "x")).dt_compatible == ()


def test_the_running_machine_has_cores_memory_and_a_page_size():
    facts = Facts.gather()

    assert facts.live
    assert facts.cpu.cores >= 1
    assert facts.memory_bytes is not None
    assert facts.page_size_bytes == os.sysconf("SC_PAGE_SIZE")
    assert facts.machine == os.uname().machine


def test_device_tree_words_keep_their_order_without_the_zero_bytes(tmp_path: Path):
    write(tmp_path, "proc/device-tree/compatible", b"vendor,board\0vendor,soc\0")
    write(tmp_path, "proc/device-tree/model", b"Some Board Rev 1.0\0")

    facts = Facts.gather(tmp_path)

    assert facts.dt_compatible == ("vendor,board", "vendor,soc")
    assert facts.model == "Some Board Rev 1.0"


def test_a_usb_stick_is_read_with_its_node(tmp_path: Path):
    stick(tmp_path)
    node = write(tmp_path, "dev/bus/usb/002/003", "")

    (device,) = Facts.gather(tmp_path).usb

    assert (device.id, device.port, device.speed_mbps) == ("18d1:9302", "2-1", 5000.0)
    assert device.node.path == "/dev/bus/usb/002/003"
    assert device.node.exists
    assert device.node.writable

    node.chmod(0o444)
    (device,) = Facts.gather(tmp_path).usb
    assert device.node.readable
    assert not device.node.writable


def test_a_stick_that_a_process_uses_is_reported(tmp_path: Path):
    stick(tmp_path)
    interface = tmp_path / "sys/bus/usb/devices/2-1:1.0"
    interface.mkdir()
    driver = interface / "driver"

    assert not Facts.gather(tmp_path).usb[0].claimed
    driver.symlink_to("../../../drivers/usb-storage")
    assert not Facts.gather(tmp_path).usb[0].claimed
    driver.unlink()
    driver.symlink_to("../../../drivers/usbfs")
    assert Facts.gather(tmp_path).usb[0].claimed


def test_nodes_of_spi_and_of_accelerators_are_found(tmp_path: Path):
    write(tmp_path, "sys/class/spidev/spidev0.0/uevent", "DEVNAME=spidev0.0\n")
    write(tmp_path, "dev/spidev0.0", "").chmod(0o000)
    for name in ("galcore", "ethosu0", "accel/accel0", "dri/renderD128"):
        write(tmp_path, f"dev/{name}", "")
    for name in ("dri/card0", "ethosu0x", "tty0", "malicious"):
        write(tmp_path, f"dev/{name}", "")

    facts = Facts.gather(tmp_path)

    assert [(n.path, n.writable) for n in facts.spi] == [("/dev/spidev0.0", False)]
    assert [n.path for n in facts.accelerators] == [
        "/dev/ethosu0",
        "/dev/galcore",
        "/dev/accel/accel0",
        "/dev/dri/renderD128",
    ]


def test_usb_interfaces_and_devices_half_gone_are_no_devices(tmp_path: Path):
    write(tmp_path, "sys/bus/usb/devices/2-1:1.0/bInterfaceNumber", "00\n")
    write(tmp_path, "sys/bus/usb/devices/2-2/idVendor", "18d1\n")

    assert Facts.gather(tmp_path).usb == ()


def test_a_gpio_chip_gets_its_label_through_the_device_it_belongs_to(tmp_path: Path):
    write(tmp_path, "sys/bus/gpio/devices/gpiochip4/dev", "254:4\n")
    write(tmp_path, "sys/bus/gpio/devices/gpiochip5/dev", "254:5\n")
    write(tmp_path, "sys/class/gpio/gpiochip569/label", "pinctrl-rp1\n")
    write(tmp_path, "sys/class/gpio/gpiochip569/ngpio", "54\n")
    write(tmp_path, "sys/class/gpio/gpiochip569/device/gpiochip4/dev", "254:4\n")

    chips = Facts.gather(tmp_path).gpio

    assert [(c.name, c.label, c.lines) for c in chips] == [
        ("gpiochip4", "pinctrl-rp1", 54),
        ("gpiochip5", "", None),
    ]


def test_buses_are_in_the_order_of_their_numbers(tmp_path: Path):
    for name in ("i2c-10", "i2c-2", "i2c-1", "1-0053", "i2c-dev"):
        write(tmp_path, f"sys/bus/i2c/devices/{name}/name", f"{name} adapter\n")

    assert [a.bus for a in Facts.gather(tmp_path).i2c] == [1, 2, 10]


@pytest.mark.parametrize(
    ("speed", "width", "link"),
    [
        ("5.0 GT/s PCIe", "1", (5.0, 1)),
        ("2.5 GT/s", "4", (2.5, 4)),  # kernels before 5.8
        ("Unknown", "0", (None, None)),
        ("", "", (None, None)),
    ],
)
def test_a_card_is_read_with_its_link(
    tmp_path: Path, speed: str, width: str, link: tuple[float | None, int | None]
):
    card(tmp_path, speed=speed, width=width)

    (device,) = Facts.gather(tmp_path).pci

    assert (device.id, device.slot) == ("1ac1:089a", "0000:01:00.0")
    assert (device.link_gtps, device.link_lanes) == link


def test_every_kind_of_core_is_named(tmp_path: Path):
    parts = ["0xd03", "0xd03", "0xd09"]
    write(tmp_path, "proc/cpuinfo", "\n".join(f"CPU part\t: {p}" for p in parts))

    assert Facts.gather(tmp_path).cpu.model == "Cortex-A53 + Cortex-A73"


@pytest.mark.parametrize(
    ("architecture", "machine"),
    [("8", "aarch64"), ("7", ""), ("", "")],  # 7 is armv7l, or armv6l
)
def test_a_processor_without_a_name_follows_from_cpuinfo(
    tmp_path: Path, architecture: str, machine: str
):
    write(tmp_path, "proc/cpuinfo", f"CPU architecture: {architecture}\n")

    facts = Facts.gather(tmp_path)

    assert facts.machine == machine
    assert facts.bits == (64 if machine else None)


def test_no_more_cores_are_counted_than_a_kernel_can_have(tmp_path: Path):
    write(tmp_path, "sys/devices/system/cpu/online", "0-" + "9" * 18)

    assert Facts.gather(tmp_path).cpu.cores == 8192


def test_the_firmware_of_a_pi_is_read_bit_by_bit(tmp_path: Path):
    place = "sys/devices/platform/soc/soc:firmware/get_throttled"
    write(tmp_path, place, "50005\n")

    assert Facts.gather(tmp_path).throttled == (
        "under-voltage now",
        "throttled now",
        "under-voltage since start",
        "was throttled since start",
    )


def test_a_chip_with_an_owner_and_a_dead_link_is_read(tmp_path: Path):
    for name, value in {
        "temp": "-89700",
        "is_device_owned": "1",
        "device_owner": "42",
        "trip_point0_temp": "85000",
    }.items():
        write(tmp_path, f"sys/class/apex/apex_0/{name}", value)

    (chip,) = Facts.gather(tmp_path).apex

    assert (chip.temp_c, chip.owned, chip.owner) == (-89.7, True, 42)
    assert chip.trip_points_c == (85.0,)
    assert not chip.node.exists


def test_1_wire_buses_and_their_thermometers(tmp_path: Path) -> None:
    at = "sys/devices/w1_bus_master1"
    for each in ("28-0316a2794dff", "28-0316a2794e00"):
        write(tmp_path, f"{at}/{each}/temperature", "21562")
    write(tmp_path, f"{at}/therm_bulk_read", "0")
    devices = tmp_path / "sys/bus/w1/devices"
    devices.mkdir(parents=True)
    for each in ("w1_bus_master1", "28-0316a2794dff"):
        target = at if each.startswith("w1") else f"{at}/{each}"
        (devices / each).symlink_to(tmp_path / target)
    [master] = Facts.gather(tmp_path).one_wire
    assert master.name == "w1_bus_master1"
    assert master.thermometers == ("28-0316a2794dff", "28-0316a2794e00")
    assert master.bulk.exists

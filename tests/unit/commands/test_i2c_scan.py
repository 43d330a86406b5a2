"""The scan of an I2C bus for known chips."""

import os
from collections.abc import Sequence

import pytest
from processes import owner

from sensorml.commands.probe.i2c_scan import addresses, scan


class FakeBus:
    """Chips by address and register; errors by address."""

    def __init__(
        self, chips: dict[int, dict[int, int]], errors: dict[int, int] | None = None
    ) -> None:
        self.chips = chips
        self.errors = errors or {}
        self.addresses: list[int] = []
        self.written: list[bytes] = []
        self.open = 0

    def connect(self, _number: int, address: int) -> "FakeBus":
        self.addresses.append(address)
        if self.errors.get(address) == 16:  # EBUSY comes from the open
            raise OSError(16, "busy")
        self.open += 1
        return self

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes:
        if address in self.errors:
            raise OSError(self.errors[address], "failed")
        if address not in self.chips:
            raise OSError(121, "remote I/O error")
        register, length = messages
        assert isinstance(register, bytes)
        assert length == 1
        self.written.append(register)
        return bytes([self.chips[address].get(register[0], 0)])

    def close(self) -> None:
        self.open -= 1


def test_a_scan_names_the_chips_that_answer():
    bus = FakeBus({0x53: {0x00: 0xE5}, 0x68: {0x75: 0x68}, 0x69: {0x00: 0xEA}})

    answers = scan(1, bus.connect)

    assert [(a.address, a.chip) for a in answers] == [
        (0x53, "ADXL345 or ADXL343"),
        (0x68, "MPU6050"),
        (0x69, "ICM-20948"),
    ]
    assert bus.open == 0


def test_a_scan_writes_nothing_but_the_number_of_an_identity_register():
    bus = FakeBus({address: {} for address in addresses()})

    answers = scan(1, bus.connect)

    assert all(len(written) == 1 for written in bus.written)
    assert all(answer.chip.startswith("(unknown chip") for answer in answers)


def test_a_chip_with_a_kernel_driver_is_reported():
    bus = FakeBus({0x18: {0x0F: 0x33}}, errors={0x76: 16})

    assert [a.chip for a in scan(1, bus.connect)] == [
        "LIS3DH or LIS2DH12",
        "(held by a kernel driver)",
    ]


def test_the_scan_of_a_bus_that_hangs_ends_at_once():
    bus = FakeBus({0x18: {0x0F: 0x33}}, errors={0x1D: 110, 0x53: 110})

    lis3dh, hung = scan(1, bus.connect)
    assert (lis3dh.chip, hung.address) == ("LIS3DH or LIS2DH12", 0x1D)
    assert "power-cycle what is on the bus" in hung.chip
    assert bus.addresses[-1] == 0x1D
    assert bus.open == 0


def test_a_bus_without_access_is_an_error():
    bus = FakeBus({}, errors=dict.fromkeys(addresses(), 13))

    with pytest.raises(PermissionError):
        scan(1, bus.connect)


def test_a_chip_that_another_process_uses_is_not_read():
    number = 10_000 + os.getpid()
    bus = FakeBus({0x53: {0x00: 0xE5}, 0x68: {0x75: 0x68}})

    with owner(f"address 0x53 on i2c-{number}", "run", "box.toml") as process:
        first, second = scan(number, bus.connect)

    assert first.in_use
    assert first.chip.startswith(f"(in use by process {process.pid} (sensorml run box")
    assert (second.address, second.chip, second.in_use) == (0x68, "MPU6050", False)
    assert 0x53 not in bus.addresses

"""The registers of a chip: its identity, and settings that are read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from sensorml.acquisition.identities import KnownChip, known_chips
from sensorml.buses import spi
from sensorml.errors import SensorError
from sensorml.interfaces import Identity, Registers

LONGEST_BYTES: Final = 512
"""In one transfer: 46 ms at 100 kHz, well within the adapter's time-out."""
_NO_IDENTITY = {0x00, 0xFF}
_DEVID_AD = 0xAD
"""The first identity register of Analog Devices' newer chips; the third names the chip
(ADXL355 data sheet, "Register Map")."""


class Recognised(NamedTuple):
    """The chip that answered."""

    value: int
    """Of its identity register."""
    name: str
    """"" for one that is in no table."""
    warning: str | None
    """None: the chip is the one that the driver is for."""


def identify(bus: Registers, identity: Identity) -> str | None:
    """Return the warning of `recognise`."""
    return recognise(bus, identity).warning


def recognise(bus: Registers, identity: Identity) -> Recognised:
    """Read the identity register, and find the name of the chip.

    Clones with an identity of their own are common and work, so an unknown one is no
    error.

    Raises:
        BusError: there is no chip; on SPI nothing else shows that.
        SensorError: it is a chip that the driver cannot read.
    """
    value = bus.read(identity.register, identity.length)[0]
    expected, name = next(iter(identity.chips.items()))
    if value == expected:
        return Recognised(value, name, None)
    if value in _NO_IDENTITY and isinstance(bus, spi.SpiConnection):
        raise bus.nobody()
    read = f"{bus}: identity register {identity.register:#04x} is {value:#04x}"
    if found := identity.chips.get(value):
        warning = f"{read}, that of {found}, and is read as {name}"
        return Recognised(value, found, warning)
    if other := _other(bus, identity, value):
        driver, found = other
        cure = f'write driver = "{driver}"'
        if driver in identity.siblings:
            warning = f"{read}, that of {found}, and is read as {name}: {cure}"
            return Recognised(value, found, warning)
        raise SensorError(f"{read}, that of {found} and not of {name}: {cure}")
    if found := identity.others.get(value):
        raise SensorError(
            f"{read}, that of {found}, for which there is no driver: replace it, or "
            'use a driver of the kernel (driver = "iio" or "hwmon")'
        )
    return Recognised(
        value,
        "",
        f"{read}, not {expected:#04x}: a clone or another chip; it is used all the "
        "same",
    )


def _other(bus: Registers, identity: Identity, value: int) -> tuple[str, str] | None:
    """Return the driver and the name of the chip, if it is that of another driver.

    Other registers are read only where this one names no chip: they may hold any value
    in a clone.
    """
    for chip in known_chips():
        seen = _seen(bus, chip, identity, value)
        if name := chip.identity.chips.get(seen):
            return chip.driver, name
    return None


def _seen(bus: Registers, chip: KnownChip, identity: Identity, value: int) -> int:
    """Return what another driver would read as the identity; -1: it would not."""
    other = chip.identity
    if other.register == identity.register:
        return value
    unnamed = value in {*_NO_IDENTITY, _DEVID_AD}
    if unnamed and set(other.addresses) & set(identity.addresses):
        return bus.read(other.register, other.length)[0]
    return -1


def read_rows(bus: Registers, register: int, rows: int, row_bytes: int) -> bytes:
    """Read rows out of a FIFO, in transfers of whole rows that end in time."""
    at_once = LONGEST_BYTES // row_bytes
    return b"".join(
        bus.read(register, row_bytes * min(at_once, rows - done))
        for done in range(0, rows, at_once)
    )


def configure(bus: Registers, settings: Mapping[int, int]) -> None:
    """Write registers in order, then read all of them back.

    Raises:
        SensorError: a register does not hold what was written.
    """
    for register, value in settings.items():
        bus.write(register, bytes((value,)))
    for register, value in settings.items():
        actual = bus.read(register, 1)[0]
        if actual != value:
            raise SensorError(
                f"{bus}: register {register:#04x} was set to {value:#04x} and reads "
                f"{actual:#04x}: check that the driver fits the chip, and its wiring"
            )

"""The registers of a chip: its identity, and settings that are read back."""

from __future__ import annotations

from collections.abc import Mapping

from sensorml.buses import spi
from sensorml.errors import SensorError
from sensorml.interfaces import Identity, Registers

_NO_IDENTITY = {0x00, 0xFF}


def identify(bus: Registers, identity: Identity) -> str | None:
    """Return a warning if the identity register is that of another chip.

    Clones with a foreign identity are common and work, so it is no error.

    Raises:
        BusError: there is no chip; on SPI nothing else shows that.
    """
    register, expected = identity.register, next(iter(identity.chips))
    value = bus.read(register, identity.length)[0]
    if value == expected:
        return None
    if value in _NO_IDENTITY and isinstance(bus, spi.SpiConnection):
        raise bus.nobody()
    return (
        f"{bus}: identity register {register:#04x} is {value:#04x}, not "
        f"{expected:#04x}: a clone or another chip; it is used all the same"
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

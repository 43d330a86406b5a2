"""registers: say what this is."""

from __future__ import annotations

from collections.abc import Mapping

from sensorml.buses import spi
from sensorml.errors import SensorError
from sensorml.interfaces import Registers

_NO_IDENTITY = {0x00, 0xFF}


def identify(
    bus: Registers, register: int, expected: int, length: int = 1
) -> str | None:
    """Say it when the identity register is that of another chip.

    Clones with a foreign identity are common and work, so it is no error. Of a
    register of `length` bytes the first is compared.

    Raises:
        BusError: there is no chip, which on SPI only this tells.
    """
    found = bus.read(register, length)[0]
    if found == expected:
        return None
    if found in _NO_IDENTITY and isinstance(bus, spi.SpiConnection):
        raise bus.nobody()
    return (
        f"{bus}: identity register {register:#04x} is {found:#04x}, not "
        f"{expected:#04x}: a clone or another chip; it is used all the same"
    )


def configure(bus: Registers, settings: Mapping[int, int]) -> None:
    """Write registers in order, then read all of them back.

    Raises:
        SensorError: a register holds something else than was written.
    """
    for register, value in settings.items():
        bus.write(register, bytes((value,)))
    for register, value in settings.items():
        found = bus.read(register, 1)[0]
        if found != value:
            raise SensorError(
                f"{bus}: register {register:#04x} was set to {value:#04x} and reads "
                f"{found:#04x}: check that the driver fits the chip, and its wiring"
            )

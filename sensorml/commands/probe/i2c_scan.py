"""The scan of an I2C bus for sensors that have an identity register.

Only the addresses that drivers name in their `IDENTITY` are read, and only the
register that names the chip: the quick writes of i2cdetect can upset others. Chips
without such a register cannot be recognised and are not read. An address that another
process uses, such as the service, is not read either.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sensorml.acquisition.identities import known_chips
from sensorml.buses.i2c_adapters import address_name
from sensorml.buses.ownership import held
from sensorml.errors import InUseError

if TYPE_CHECKING:
    from sensorml.interfaces import Identity


class Bus(Protocol):
    """The part of `buses.i2c_dev.KernelBus` that a scan needs."""

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes: ...
    def close(self) -> None: ...


_ABSENT = {errno.ENXIO, errno.EREMOTEIO}
_HUNG = {errno.ETIMEDOUT, errno.EIO, errno.EAGAIN, errno.ENODEV}
_FAILED = "(the transfer failed, the scan ended here: power-cycle what is on the bus)"


@dataclass(frozen=True, slots=True)
class Answer:
    """One address that answered."""

    address: int
    chip: str
    """Its name; or, in brackets, why there is none."""
    in_use: bool = False
    """Another process has the chip, which was therefore not read."""


@dataclass(frozen=True, slots=True)
class Sensors:
    """The answers on one I2C bus, or why it could not be scanned."""

    bus: int
    answers: tuple[Answer, ...] = ()
    why_not: str | None = None


def addresses() -> Mapping[int, Sequence[Identity]]:
    """Return the addresses that are read, and the identities of chips they may have.

    An identity register at a low number is read last: in other chips that register
    holds a trim value, which could be any.
    """
    identities = sorted(
        (chip.identity for chip in known_chips()),
        key=lambda identity: identity.register,
        reverse=True,
    )
    numbers = {address for each in identities for address in each.addresses}
    return {
        address: [each for each in identities if address in each.addresses]
        for address in sorted(numbers)
    }


def scan(number: int, connect: Callable[[int, int], Bus]) -> tuple[Answer, ...]:
    """Read the identity at every address of one bus that a known chip may have.

    `connect(bus, address)` opens the bus. The scan of a bus that hangs ends at once,
    because every further address would wait for a time-out too.

    Raises:
        OSError: the bus cannot be opened.
    """
    answers = []
    for address, identities in addresses().items():
        name = address_name(address, f"i2c-{number}")
        try:
            with held(name), closing(connect(number, address)) as bus:
                answers.append(Answer(address, _name(bus, address, identities)))
        except InUseError as err:
            why = err.what.removeprefix(f"{name} is ")
            answers.append(Answer(address, f"({why})", in_use=True))
        except OSError as err:
            if err.errno == errno.EBUSY:
                answers.append(Answer(address, "(held by a kernel driver)"))
            elif err.errno in _HUNG:
                answers.append(Answer(address, _FAILED))
                break
            elif err.errno not in _ABSENT:
                raise
    return tuple(answers)


def _name(bus: Bus, address: int, identities: Sequence[Identity]) -> str:
    values: dict[int, int] = {}
    for identity in identities:
        register = identity.register
        if register not in values:
            values[register] = bus.transfer(address, [bytes([register]), 1])[0]
        found = values[register]
        if name := identity.chips.get(found) or identity.others.get(found):
            return name
    registers = (f"register {r:#04x} is {value:#04x}" for r, value in values.items())
    return f"(unknown chip: {', '.join(registers)})"

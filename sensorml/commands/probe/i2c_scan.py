"""Which sensors answer on an I2C bus.

Only the addresses of chips that sensorml knows are asked, and only by reading
the register that names the chip: the quick writes of i2cdetect can upset
others. Chips without such a register cannot be told apart and are not asked.
Identities: the data sheets' WHO_AM_I, DEVID or chip id registers.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol


class Bus(Protocol):
    """What is needed of `buses.i2cdev.KernelBus`."""

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes: ...
    def close(self) -> None: ...


class _Identity(NamedTuple):
    register: int
    chips: dict[int, str]


_INVENSENSE = _Identity(
    0x75, {0x68: "MPU6050", 0x70: "MPU6500", 0x71: "MPU9250", 0x73: "MPU9255"}
)
_ICM = _Identity(0x00, {0xEA: "ICM-20948"})  # bank 0, which is selected at reset
_ADXL = _Identity(0x00, {0xE5: "ADXL345 or ADXL343", 0xAD: "ADXL355"})
_LIS = _Identity(0x0F, {0x33: "LIS3DH"})
_KX = _Identity(0x13, {0x46: "KX134"})
_BME = _Identity(0xD0, {0x60: "BME280", 0x58: "BMP280"})

KNOWN: Final[dict[int, tuple[_Identity, ...]]] = {
    0x18: (_LIS,),
    0x19: (_LIS,),
    0x1D: (_ADXL,),
    0x1E: (_KX,),
    0x1F: (_KX,),
    0x53: (_ADXL,),
    0x68: (_INVENSENSE, _ICM),
    0x69: (_INVENSENSE, _ICM),
    0x76: (_BME,),
    0x77: (_BME,),
}
"""Address to the registers that name the chips it may have."""

_NOBODY = {errno.ENXIO, errno.EREMOTEIO}
_HUNG = {errno.ETIMEDOUT, errno.EIO, errno.EAGAIN, errno.ENODEV}
_FAILED = "(the transfer failed, nobody else was asked: power-cycle what is on the bus)"


@dataclass(frozen=True, slots=True)
class Answer:
    """One address that answered."""

    address: int
    chip: str
    """Its name; or what is known instead, in brackets."""


@dataclass(frozen=True, slots=True)
class Sensors:
    """Who answered on one I2C bus, or why it could not be asked."""

    bus: int
    answers: tuple[Answer, ...] = ()
    why_not: str | None = None


def scan(number: int, connect: Callable[[int, int], Bus]) -> tuple[Answer, ...]:
    """Ask the known addresses of one bus who they are.

    `connect(bus, address)` opens the bus. A bus that hangs is left at once:
    every further address would wait for a time-out too.

    Raises:
        OSError: the bus cannot be opened.
    """
    answers = []
    for address, identities in KNOWN.items():
        try:
            with closing(connect(number, address)) as bus:
                answers.append(Answer(address, _name(bus, address, identities)))
        except OSError as err:
            if err.errno == errno.EBUSY:
                answers.append(Answer(address, "(held by a kernel driver)"))
            elif err.errno in _HUNG:
                answers.append(Answer(address, _FAILED))
                break
            elif err.errno not in _NOBODY:
                raise
    return tuple(answers)


def _name(bus: Bus, address: int, identities: Sequence[_Identity]) -> str:
    seen = []
    for register, chips in identities:
        value = bus.transfer(address, [bytes([register]), 1])[0]
        if value in chips:
            return chips[value]
        seen.append(f"register {register:#04x} is {value:#04x}")
    return f"(unknown chip: {', '.join(seen)})"

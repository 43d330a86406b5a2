"""Registers that a gateway keeps in a text file: a line "number value" for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from sensorml.errors import BusError, Reason, SensorError
from sensorml.interfaces import Claim, SensorOptions

if TYPE_CHECKING:
    from sensorml.hardware.facts import Facts


class RegisterFileOptions(SensorOptions, frozen=True, kw_only=True):
    """The keys of every sensor on such a file; a driver adds its own."""

    gateway: str
    """Path of the file."""
    register: Annotated[int, Meta(ge=0)]

    @property
    def thread(self) -> str:
        return self.gateway

    def claims(self) -> Iterator[Claim]:
        yield Claim("register", f"register {self.register} of {self.gateway}")

    def missing(self, facts: Facts) -> Iterator[tuple[str, Reason]]:
        if not Path(facts.root, self.gateway.removeprefix("/")).exists():
            yield "gateway", Reason(f"there is no {self.gateway}", "start the gateway")


def read(options: RegisterFileOptions) -> float:
    """Return the value of one register.

    Raises:
        BusError: the file cannot be read.
        SensorError: it does not hold the register.
    """
    try:
        lines = Path(options.gateway).read_text(encoding="ascii").splitlines()
    except OSError as err:
        raise BusError(err.errno, f"{options.gateway}: {err.strerror}") from err
    for number, value in map(str.split, lines):
        if int(number) == options.register:
            return float(value)
    raise SensorError(f"{options.gateway}: has no register {options.register}")

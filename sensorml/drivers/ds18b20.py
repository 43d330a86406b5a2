"""DS18B20 temperature sensor on 1-Wire, read by the kernel.

Sources: Documentation/w1/slaves/w1_therm.rst of the kernel (the files `temperature`,
in m°C, and `resolution`; the kernel checks the CRC); Maxim/Analog Devices DS18B20
data sheet, "Operation - Measuring Temperature" (Table 1: +85 °C is the value
after power-on) and "Electrical Characteristics" (93.75 to 750 ms at 9 to 12 bits).

It needs `dtoverlay=w1-gpio` in config.txt. A read takes as long as the conversion, so
all sensors on 1-Wire share a separate thread. Two or more on a bus measure together
if the kernel allows it (`buses.one_wire`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from msgspec import Meta

from sensorml.acquisition.polled import PolledRows, Rate
from sensorml.buses import one_wire, sysfs
from sensorml.errors import BusError, Reason, SensorError
from sensorml.interfaces import Claim, Conversion, Cures, SensorOptions
from sensorml.types import Block, Channel

if TYPE_CHECKING:
    from sensorml.hardware.facts import Facts

CHANNELS = (Channel("temperature", "degC"),)

DEVICES = Path("bus/w1/devices")
"""The folder of the devices, under /sys."""

_POWER_ON_C = 85.0
_NEAR_C = 5.0
"""A reading of 85 °C is accepted if the last one was this close to it."""

_CONVERSION_S: Final = {9: 0.095, 10: 0.19, 11: 0.375, 12: 0.75}
"""The time for which the kernel waits, by the bits of the result (w1_therm.c)."""
_READ_S: Final = 0.012
"""A reset and 152 bits of up to 70 µs: ROM command, address, command, scratchpad."""
_FRESH_NS: Final = 2_000_000_000
"""The greatest age of a conversion that another sensor has started."""


class Options(SensorOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "ds18b20"`."""

    id: Annotated[
        str, Meta(pattern=r"^(28-[0-9a-f]{12})?\Z", examples=["28-0123456789ab"])
    ] = ""
    """Its name in /sys/bus/w1/devices, 28-0316a2794dff; "": the only sensor there."""
    rate_hz: Annotated[Rate, Meta(le=1)] = 1.0
    resolution_bits: Literal[9, 10, 11, 12] | None = None
    """Bits below 12 make a conversion shorter: 0.095 s at 9. Omitted: as it is set."""

    @property
    def thread(self) -> str:
        return "w1"

    @property
    def conversion(self) -> Conversion:
        return Conversion(_CONVERSION_S[self.resolution_bits or 12], _READ_S)

    @property
    def cures(self) -> Cures:
        return Cures(
            overrun="lower rate_hz or resolution_bits, or let the kernel measure with "
            "all DS18B20 at once (docs/hardware.md)"
        )

    @property
    def pi_lines(self) -> Sequence[int]:
        return (4,)

    def claims(self) -> Iterable[Claim]:
        name = self.id or "that is the only one"
        yield Claim("id", f"the ds18b20 device {name}", certain=False)

    def missing(self, facts: Facts) -> Iterable[tuple[str, Reason]]:
        if not facts.one_wire:
            cure = "add dtoverlay=w1-gpio to config.txt"
            yield "driver", Reason("there is no 1-Wire bus on this machine", cure)
        for master in facts.one_wire:
            if len(master.thermometers) > 1 and not master.bulk.writable:
                yield "driver", one_wire.apart(master.bulk.path)

    def held(self) -> Iterable[str]:
        return [f"the ds18b20 device {_find(sysfs.ROOT / DEVICES, self.id).name}"]


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(millicelsius: float, last_c: float | None = None) -> float:
    """Turn the kernel's value into °C.

    The chip reads as exactly 85 °C before its first conversion, so this value is only
    accepted after a reading near it (data sheet, Table 1).

    >>> decode(25062), decode(-55000), decode(85000, last_c=84.9)
    (25.062, -55.0, 85.0)

    Raises:
        ValueError: it is no measured temperature.
    """
    celsius = millicelsius / 1000
    if not -55 <= celsius <= 125:
        raise ValueError(f"{celsius} °C: outside what a DS18B20 measures")
    if celsius == _POWER_ON_C and (last_c is None or abs(last_c - celsius) > _NEAR_C):
        raise ValueError(
            "85 °C, the value before the first conversion: check the supply and the "
            "pull-up of 4.7 kΩ"
        )
    return celsius


class Driver:
    """One DS18B20."""

    def __init__(
        self,
        options: Options,
        clock: Callable[[], int] = time.monotonic_ns,
        root: Path = sysfs.ROOT,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._options = options
        self._clock = clock
        self._devices = root / DEVICES
        self._device: Path | None = None
        self._fresh_ns = min(_FRESH_NS, round(self.period_s * 0.5e9))

    def start(self) -> str:
        self.stop()
        device = _find(self._devices, self._options.id)
        if self._options.resolution_bits is not None:
            _set_resolution(device / "resolution", self._options.resolution_bits)
        self._rows = PolledRows(self._options.rate_hz, self._clock)
        self._last_c: float | None = None
        self._device = device
        return one_wire.master_of(device).join(device)

    def read(self) -> Block:
        if self._device is None:
            raise BusError("ds18b20: not started")
        file = self._device / "temperature"
        master = one_wire.master_of(self._device)
        master.convert(self._device, self._fresh_ns, self._clock)
        try:
            self._last_c = decode(sysfs.number(file), self._last_c)
        except ValueError as err:
            raise SensorError(f"{file}: {err}") from err
        return self._rows.row((self._last_c,))

    def stop(self) -> None:
        if self._device is not None:
            one_wire.master_of(self._device).leave(self._device)
        self._device = None


def _find(devices: Path, name: str) -> Path:
    """Return the device with this name; "": the only one.

    Raises:
        BusError: there is none, or more than one.
    """
    if name:
        return sysfs.find(devices, "28-*", name)
    found = sorted(devices.glob("28-*"))
    if len(found) == 1:
        return found[0]
    raise BusError(
        f"{devices}: "
        + (
            f"there are {', '.join(f.name for f in found)}: choose one by id"
            if found
            else "no 28-*: check the wiring, the pull-up of 4.7 kΩ and "
            "dtoverlay=w1-gpio in config.txt"
        )
    )


def _set_resolution(file: Path, bits: int) -> None:
    """Set the bits of a conversion; many clones have 12 only.

    Raises:
        BusError: the file cannot be written.
        SensorError: the chip has kept its resolution.
    """
    if sysfs.number(file) == bits:
        return
    sysfs.write(file, str(bits))
    if (actual := sysfs.number(file)) != bits:
        raise SensorError(
            f"{file}: it stays at {actual:g} bits: remove resolution_bits, this clone "
            "of a DS18B20 cannot change it"
        )

"""Alarm lines at their fail-safe level when there is no service to hold them.

A service that was killed leaves its lines where they were, on Raspberry Pi kernels
for ever (`buses.gpio`). So it notes what it is about to drive, and `sensorml safe`,
which systemd runs when the service has ended, goes by that note, whatever has
become of the configuration. Without one, by what can be read of the alarms in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import msgspec

from sensorml.config.tables import Alarm, Gpio
from sensorml.errors import OutputError
from sensorml.files import replacing
from sensorml.gpio import lines as gpio
from sensorml.schema import Decoder, Table, read_toml

NOTE: Final = "lines.json"
"""In systemd's runtime directory, which is gone once `sensorml safe` has ended."""


class SafeLine(Table, frozen=True, kw_only=True):
    """What of an `[[alarm]]` says where its line is safe."""

    gpio: Gpio
    active: Literal["high", "low"] = "high"
    fail_safe: Literal["on", "off"] = "on"

    def __str__(self) -> str:
        high = (self.active == "high") == (self.fail_safe == "on")
        return f"GPIO {self.gpio}: {'high' if high else 'low'}"

    def hold(self) -> None:
        """Drive the line to its safe level, and leave it so.

        Raises:
            BusError: it cannot be opened.
        """
        safe = self.fail_safe == "on"
        output = gpio.open_output(
            self.gpio, active=self.active, initial=safe, safe=safe
        )
        output.close(safe)


def note(alarms: Iterable[Alarm]) -> None:
    """Write down which lines are about to be driven, under systemd."""
    lines = [
        SafeLine(gpio=alarm.gpio, active=alarm.active, fail_safe=alarm.fail_safe)
        for alarm in alarms
        if alarm.gpio is not None
    ]
    # An alarm is worth more than its note: without it the configuration counts.
    if (path := _path()) is not None:
        with suppress(OutputError), replacing(path) as file:
            file.write(msgspec.json.encode(lines))


def noted() -> list[SafeLine] | None:
    """Return the lines that the service has driven, or None: nothing says which."""
    path = _path()
    if path is None or not path.exists():
        return None
    return msgspec.json.decode(path.read_bytes(), type=list[SafeLine])


def configured(path: Path, decoder: Decoder) -> list[SafeLine]:
    """Return the lines of the alarms of a configuration, good or not.

    Args:
        path: the file. Only its alarms are looked at, and only at what says where
            their lines are safe.
        decoder: takes in what is wrong with that.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    tables = read_toml(path).get("alarm", [])
    if not isinstance(tables, list):
        decoder.problem("alarm", "is not a list of tables", "write it [[alarm]]")
        return []
    found = []
    for i, table in enumerate(tables):
        if isinstance(table, dict) and "gpio" in table:
            own = {k: v for k, v in table.items() if k in SafeLine.__struct_fields__}
            found.append(decoder.table(own, SafeLine, f"alarm[{i}]"))
    return [line for line in found if line is not None]


def _path() -> Path | None:
    folder = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(folder, NOTE) if folder else None

"""Alarm lines at their fail-safe level after the service has ended.

On a Raspberry Pi a killed service leaves its lines at their last level, see
`gpio.lines`. Therefore the service first writes a list of the lines that it will
drive. `sensorml safe`, which systemd runs after the service, uses this list,
because the configuration may have changed since; without a list it uses the
alarms of the configuration.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import msgspec

from sensorml.config.tables import Alarm
from sensorml.errors import InputError, OptionError, OutputError
from sensorml.files import read_small, replacing
from sensorml.gpio.lines import open_output
from sensorml.gpio.names import LineName
from sensorml.schema import Decoder, Table, read_toml

LINES_FILE: Final = "lines.json"
"""In systemd's runtime directory, which is removed after `sensorml safe`."""


class SafeLine(Table, frozen=True, kw_only=True):
    """The keys of an `[[alarm]]` that give the safe level of its line."""

    gpio: LineName
    active: Literal["high", "low"] = "high"
    fail_safe: Literal["on", "off"] = "on"

    def __str__(self) -> str:
        high = (self.active == "high") == (self.fail_safe == "on")
        return f"GPIO {self.gpio}: {'high' if high else 'low'}"

    def hold(self) -> None:
        """Drive the line to its safe level and leave it there.

        Raises:
            BusError: it cannot be opened.
        """
        safe = self.fail_safe == "on"
        output = open_output(self.gpio, active=self.active, initial=safe, safe=safe)
        output.close(safe)


def write_lines(alarms: Iterable[Alarm]) -> None:
    """Write the list of the lines that will be driven; only under systemd."""
    lines = [
        SafeLine(gpio=alarm.gpio, active=alarm.active, fail_safe=alarm.fail_safe)
        for alarm in alarms
        if alarm.gpio is not None
    ]
    # A list that cannot be written stops no alarm: `safe` uses the configuration.
    if (path := _path()) is not None:
        with suppress(OutputError), replacing(path) as file:
            file.write(msgspec.json.encode(lines))


def read_lines() -> list[SafeLine] | None:
    """Return the lines that the service has driven, or None without a valid list.

    A list that is damaged, or of a newer version, is no list: the configuration has
    the lines, too.
    """
    path = _path()
    if path is None:
        return None
    try:
        return msgspec.json.decode(read_small(path), type=list[SafeLine])
    except (InputError, msgspec.DecodeError, UnicodeDecodeError, OptionError):
        return None


def configured_lines(path: Path, decoder: Decoder) -> list[SafeLine]:
    """Return the lines of the alarms of a configuration, which may be invalid.

    Args:
        path: the file; only the keys of `SafeLine` in its alarms are read.
        decoder: collects the problems of these keys.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    tables = read_toml(path).get("alarm", [])
    if not isinstance(tables, list):
        decoder.problem("alarm", "is not a list of tables", "write it [[alarm]]")
        return []
    lines = []
    for i, table in enumerate(tables):
        if isinstance(table, dict) and "gpio" in table:
            keys = {k: v for k, v in table.items() if k in SafeLine.__struct_fields__}
            lines.append(decoder.table(keys, SafeLine, f"alarm[{i}]"))
    return [line for line in lines if line is not None]


def _path() -> Path | None:
    folder = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(folder, LINES_FILE) if folder else None

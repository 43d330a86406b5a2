"""Lines by way of gpiozero's pins: simulated ones, and those of other libraries."""

from __future__ import annotations

from sensorml.gpio.factory import as_bus_error, find
from sensorml.gpio.names import LineName


class ClaimedPin:
    """A line that is claimed until it is closed: a second claim fails."""

    def __init__(self, line: LineName) -> None:
        self._line = line
        with as_bus_error(line):
            self._factory, name = find(line)
            self._pin = self._factory.pin(name)
            self._factory.reserve_pins(self, repr(self._pin))
        self.is_open = True

    def __repr__(self) -> str:
        """Return the holder for gpiozero's message "already in use by …"."""
        return f"this program (as {self._line!r})"

    def _conflicts_with(self, _other: object) -> bool:
        return True  # gpiozero calls this for a second claim

    @property
    def high(self) -> bool:
        """The present level of the line, bounces included."""
        with as_bus_error(self._line):
            return bool(self._pin.state)

    def close(self) -> None:
        """Release the claim; the line stays as it is."""
        self.is_open = False
        self._factory.release_pins(self, repr(self._pin))

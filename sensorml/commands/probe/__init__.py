"""Report the board, buses, sensors, accelerators and delegates of this machine."""

from __future__ import annotations

from sensorml.commands.probe.command import add_arguments, run

__all__ = ["add_arguments", "run"]

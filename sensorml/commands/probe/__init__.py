"""Report what this machine has: board, buses, accelerators, delegates."""

from __future__ import annotations

from sensorml.commands.probe.command import add_arguments, run

__all__ = ["add_arguments", "run"]

"""Everything about this machine that can be told without touching a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sensorml.hardware import traps
from sensorml.hardware.descriptors import Board, Delegate, identify
from sensorml.hardware.facts import Facts
from sensorml.hardware.probe import RuntimeVerdict, Verdict, judge
from sensorml.hardware.software import Software


@dataclass(frozen=True, slots=True)
class Report:
    """What `sensorml probe` prints, but for what sensors and models answer."""

    board: str
    title: str
    i2c_bus: int | None
    gpio_chip: str | None
    """Name of the header's GPIO chip, as its label is found on this machine."""
    facts: Facts
    software: Software
    runtime: RuntimeVerdict
    delegates: tuple[Verdict, ...]
    warnings: tuple[str, ...]


def probe(
    facts: Facts,
    *,
    software: Software,
    runtime: RuntimeVerdict,
    delegates: Mapping[str, Delegate],
    boards: Mapping[str, Board],
) -> Report:
    """Judge every delegate on the machine that `facts` describe.

    Raises:
        ConfigError: two boards match equally, or none does.
    """
    board = identify(facts, boards)
    label = board.gpio.chip_label if board.gpio else None
    chips = [chip.name for chip in facts.gpio if label and chip.label == label]
    return Report(
        board=board.name,
        title=facts.model or board.title,
        i2c_bus=board.i2c.bus if board.i2c else None,
        gpio_chip=chips[0] if chips else None,
        facts=facts,
        software=software,
        runtime=runtime,
        delegates=tuple(judge(facts, d, runtime) for d in delegates.values()),
        warnings=tuple(traps.of_machine(facts, software)),
    )

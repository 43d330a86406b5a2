"""Everything about this machine that can be told without touching a device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sensorml.commands.probe.software import Software
from sensorml.delegates.checks import RuntimeVerdict, Verdict, judge
from sensorml.delegates.descriptor import Delegate
from sensorml.hardware.boards import Board, identify
from sensorml.hardware.facts import Facts


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
        warnings=tuple(of_machine(facts, software)),
    )


def of_machine(facts: Facts, software: Software) -> Iterator[str]:
    """Yield what is wrong with the system and the packages."""
    if facts.bits == 32:
        yield (
            "this is a 32-bit system: only the old tflite-runtime exists for it; "
            "install the 64-bit Raspberry Pi OS where the board can run it"
        )
    if facts.live:  # the packages are those of the machine that looks
        yield from software.warnings(facts.machine)
    if facts.throttled:
        yield (
            f"the Raspberry Pi firmware says {', '.join(facts.throttled)}: "
            "check the supply and the cooling"
        )

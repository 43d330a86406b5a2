"""The report of `sensorml probe` as text."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence

from sensorml.access import denial, is_forbidden
from sensorml.commands.probe.i2c_scan import Sensors
from sensorml.commands.probe.report import MachineReport
from sensorml.delegates.checks import Verdict
from sensorml.hardware.gpio_chips import GpioChip

HEADINGS = ("delegate", "state", "tried on device", "reason and cure")

LONGEST = 1000
"""Limit in characters of one line or cell; more is garbage."""


def machine(
    report: MachineReport, sensors: Sequence[Sensors]
) -> Iterator[tuple[str, str]]:
    """Yield the lines above the table: board, software, buses, devices."""
    facts, software, runtime = report.facts, report.software, report.runtime
    yield from ((name, value) for name, value in _machine(report) if value)
    if facts.live:
        yield (
            "Python",
            _list(
                software.python, f"numpy {software.packages.get('numpy', 'missing')}"
            ),
        )
    yield (
        "runtime",
        _list(
            str(runtime.reason or f"{runtime.name} {runtime.version}"),
            "" if facts.live else "of this machine and not of the captured one",
        ),
    )
    for version in dict.fromkeys(v.library_version for v in report.delegates):
        if version:
            yield "libedgetpu", version
    for temperature in facts.temperatures:
        yield "temperature", f"{temperature.zone} {temperature.temp_c:.1f} °C"
    buses = {bus.bus: bus for bus in sensors}
    for adapter in facts.i2c:
        header = "on the header" if adapter.bus == report.i2c_bus else ""
        answers = _answers(buses.get(adapter.bus))
        yield f"i2c-{adapter.bus}", _list(adapter.name, header, answers)
    for chip in facts.gpio:
        header = "on the header" if chip.name == report.gpio_chip else ""
        lines = f"{chip.lines} lines" if chip.lines else ""
        yield (
            chip.name,
            _list(chip.label, lines, header, _why_not_usable(chip, live=facts.live)),
        )
    for node in (*facts.spi, *facts.accelerators):
        name = node.path.removeprefix("/dev/")
        yield name, "accessible" if node.writable else "access denied: join its group"
    for master in facts.one_wire:
        yield master.name, ", ".join(master.thermometers) or "no DS18B20"
    for apex in facts.apex:
        temp = "" if apex.temp_c is None else f"{apex.temp_c} °C"
        yield apex.name, _list("Edge TPU", temp, apex.status)


def _why_not_usable(chip: GpioChip, *, live: bool) -> str:
    if not chip.usable:
        return "access denied: join the group gpio"
    if live and is_forbidden(f"/dev/{chip.name}"):
        return str(denial(errno.EPERM, f"/dev/{chip.name}"))
    return ""


def _machine(report: MachineReport) -> Iterator[tuple[str, str]]:
    """Yield what every machine has; "" where it is unknown."""
    facts = report.facts
    cores, memory, page = facts.cpu.cores, facts.memory_bytes, facts.page_size_bytes
    yield "board", f"{report.title} ({report.board})"
    yield (
        "CPU",
        _list(
            facts.cpu.model,
            f"{cores} core{'s'[: cores != 1]}" if cores else "",
            facts.machine,
            f"{facts.bits}-bit programs" if facts.bits else "",
        ),
    )
    yield (
        "memory",
        _list(
            f"{memory / 2**30:.1f} GiB" if memory else "",
            f"{page // 1024} kB pages" if page else "",
        ),
    )
    yield (
        "system",
        _list(facts.system, f"Linux {facts.kernel}" if facts.kernel else ""),
    )


def _answers(sensors: Sensors | None) -> str:
    if sensors is None:
        return ""
    if sensors.why_not is not None:
        return sensors.why_not
    chips = [f"{answer.chip} at {answer.address:#04x}" for answer in sensors.answers]
    return ", ".join(chips) or "no supported sensor answers"


def row(verdict: Verdict) -> tuple[str, str, str, str]:
    """Return a delegate's row of the table under `HEADINGS`."""
    reason = (str(verdict.reason),) if verdict.reason else ()
    return (
        verdict.delegate,
        "usable" if verdict.usable else "-",
        "yes" if verdict.tried else "no",
        "; ".join((*reason, *verdict.notes)),
    )


def _list(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def printable(text: str) -> str:
    """Return text without control characters, cut off after 1000 characters.

    It may come from a damaged or hostile file.
    """
    if len(text) > LONGEST:
        text = text[:LONGEST] + "…"
    return "".join(c if c.isprintable() else " " for c in text)


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None
) -> Iterator[str]:
    """Yield the lines of a table, with the last column folded to fit into `width`.

    >>> list(table(("a", "b"), [("one", "two three")], 10))
    ['a    b', 'one  two', '     three']
    """
    cells = [[printable(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    indent = sum(widths[:-1]) + 2 * len(widths[:-1])
    for row in cells:
        before = [f"{cell:<{n}}  " for cell, n in zip(row, widths, strict=True)][:-1]
        for line in _folded(row[-1], width and width - indent):
            yield ("".join(before) + line).rstrip()
            before = [" " * indent]


def _folded(text: str, width: int | None) -> list[str]:
    if width is None or len(text) <= width:
        return [text]
    from textwrap import wrap

    return wrap(text, max(width, 8)) or [""]

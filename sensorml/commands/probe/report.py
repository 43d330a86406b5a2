"""The report on this machine, made without touching a device."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sensorml.delegates.checks import RuntimeVerdict, Verdict, judge
from sensorml.delegates.descriptor import Delegate
from sensorml.hardware.boards import Board, identify
from sensorml.hardware.facts import Facts

_PACKAGES = ("numpy", "ai-edge-litert", "tflite-runtime")


@dataclass(frozen=True, slots=True)
class Software:
    """The interpreter and the installed packages that matter to a delegate."""

    python: str
    packages: dict[str, str]
    """Name to version."""
    wrong_pycoral: bool = False
    """True if PyPI's `pycoral` is installed, which is an unrelated tool for maps."""

    @classmethod
    def gather(cls) -> Software:
        """Read the metadata of the packages; nothing is imported."""
        packages = {name: v for name in _PACKAGES if (v := _version(name))}
        return cls(platform.python_version(), packages, _wrong_pycoral())

    def warnings(self, machine: str) -> Iterator[str]:
        """Yield which packages do not work together, each with its cure."""
        numpy = self.packages.get("numpy", "")
        if "tflite-runtime" in self.packages and numpy.split(".")[0] not in {"", "1"}:
            yield (
                f"tflite-runtime was built for numpy 1 and crashes with numpy {numpy}: "
                'run pip install "numpy<2"'
            )
        if self.wrong_pycoral:
            yield (
                "the installed pycoral is not Google's but a tool for maps: "
                "run pip uninstall pycoral (sensorml does not need it)"
            )
        newer = tuple(map(int, self.python.split(".")[:2])) >= (3, 12)
        if machine in {"armv7l", "armv6l"} and newer:
            yield (
                f"no TFLite runtime is built for 32-bit Arm and Python {self.python}: "
                "use a 64-bit system, or Python 3.11"
            )


@dataclass(frozen=True, slots=True)
class MachineReport:
    """The output of `sensorml probe`, without answers of sensors and models."""

    board: str
    title: str
    i2c_bus: int | None
    gpio_chip: str | None
    """Name of the header's GPIO chip, found by its label."""
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
) -> MachineReport:
    """Identify the board and check every delegate on the machine of these facts.

    Raises:
        ConfigError: two boards match equally, or none does.
    """
    board = identify(facts, boards)
    label = board.gpio.chip_label if board.gpio else None
    chips = [chip.name for chip in facts.gpio if label and chip.label == label]
    return MachineReport(
        board=board.name,
        title=facts.model or board.title,
        i2c_bus=board.i2c.bus if board.i2c else None,
        gpio_chip=chips[0] if chips else None,
        facts=facts,
        software=software,
        runtime=runtime,
        delegates=tuple(judge(facts, d, runtime) for d in delegates.values()),
        warnings=tuple(system_warnings(facts, software)),
    )


def system_warnings(facts: Facts, software: Software) -> Iterator[str]:
    """Yield what is wrong with the system and the packages, each with its cure."""
    if facts.bits == 32:
        yield (
            "this is a 32-bit system, for which only the old tflite-runtime exists: "
            "install the 64-bit Raspberry Pi OS if the board can run it"
        )
    if facts.live:  # the packages of a captured tree are not known
        yield from software.warnings(facts.machine)
    if facts.throttled:
        yield (
            f"the Raspberry Pi firmware reports {', '.join(facts.throttled)}: "
            "check the supply and the cooling"
        )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _wrong_pycoral() -> bool:
    try:
        pycoral = metadata.distribution("pycoral")
    except metadata.PackageNotFoundError:
        return False
    return not Path(str(pycoral.locate_file("pycoral/utils/edgetpu.py"))).exists()

"""Which delegates can be used here, and why not the others.

The cheap rungs of the ladder. Nothing is opened here: opening a USB Edge TPU
resets it under the process that uses it, and libedgetpu's open without
permission blocks for 25 s. What only an open device can tell comes after these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import structs

from sensorml.delegates import known_issues as traps
from sensorml.delegates import libraries
from sensorml.delegates import numbering as selection
from sensorml.delegates.descriptor import Delegate
from sensorml.delegates.isolated import Said
from sensorml.hardware.boards import Match
from sensorml.hardware.devices import Apex, Node, UsbDevice
from sensorml.hardware.facts import Facts

DEAD_LINK_C: Final = -89.0
"""All bits of the temperature register set read as -89.7 °C: nobody answers."""


class Rung(StrEnum):
    """How far up the ladder a delegate came: the first rung it failed.

    From OPEN on a model is needed, and the device is opened.
    """

    PASSED = "passed"
    RUNTIME = "runtime"
    DEVICE = "device"
    SYSTEM = "system"
    ACCESS = "access"
    LINK = "link"
    OWNER = "owner"
    LIBRARY = "library"
    MODEL = "model"
    OPEN = "open"
    OUTPUT = "output"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class RuntimeVerdict:
    """The TFLite runtime, or the reason why there is none."""

    name: str = ""
    version: str = ""
    why_not: str | None = None
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known about one delegate: before it is opened, or with a model."""

    delegate: str
    title: str
    rung: Rung
    why_not: str | None
    """None: nothing that was looked at keeps it from being used."""
    cure: str
    library: str | None
    tried: bool
    """Whether its authors ran it on the real device."""
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What is good to know and no fault."""
    library_version: str = ""
    """As libedgetpu says it; other libraries do not say."""
    device: str | None = None
    """Which of several it is about: the one asked for, or the first that is free."""

    @property
    def usable(self) -> bool:
        return self.why_not is None


@dataclass(frozen=True, slots=True)
class _Fall:
    """The rung where the climb ended."""

    rung: Rung
    why: str
    cure: str


def judge(
    facts: Facts,
    delegate: Delegate,
    runtime: RuntimeVerdict,
    *,
    device: str | None = None,
) -> Verdict:
    """Climb the ladder for one delegate until a rung breaks.

    With `device` ("usb:1") only that one counts.
    """
    library, said = _library(facts, delegate)
    free = _first_free(facts, delegate)
    chosen = device or free
    if (why := selection.why_not(facts, delegate, device)) is not None:
        fall: _Fall | None = _Fall(Rung.DEVICE, why, "name another, or leave it out")
    else:
        one = selection.only(facts, delegate, chosen)
        fall = _climb(one, delegate, runtime) or _loads(delegate, library, said)
        if fall and fall.rung is Rung.OWNER and free:
            cure = f'{fall.cure}, or name a free one: device = "{free}"'
            fall = replace(fall, cure=cure)
        facts = selection.only(facts, delegate, device)
    return Verdict(
        delegate=delegate.name,
        title=delegate.title,
        rung=fall.rung if fall else Rung.PASSED,
        why_not=fall.why if fall else None,
        cure=fall.cure if fall else "",
        library=str(library) if library else None,
        tried=delegate.tried,
        warnings=(
            *traps.of_device(facts, delegate),
            *traps.of_library(said.text, delegate),
        ),
        notes=(
            *selection.numbers(facts, delegate),
            *traps.of_link(facts, delegate),
            *traps.of_firmware(facts, delegate),
        ),
        library_version=said.text,
        device=chosen,
    )


def _first_free(facts: Facts, delegate: Delegate) -> str | None:
    """Return the first of its devices that nothing keeps this process from."""
    for device in selection.listed(facts, delegate):
        if _device(selection.only(facts, delegate, device), delegate) is None:
            return device
    return None


def _climb(facts: Facts, delegate: Delegate, runtime: RuntimeVerdict) -> _Fall | None:
    """Say where the climb to the library ended, if it did."""
    why = delegate.match.why_not(facts)
    if why is not None:
        return _Fall(Rung.DEVICE, why, _finding(facts, delegate.match))
    if fall := _system(facts, delegate) or _device(facts, delegate):
        return fall
    if runtime.why_not is not None:
        return _Fall(Rung.RUNTIME, runtime.why_not, runtime.cure)
    return None


def _finding(facts: Facts, match: Match) -> str:
    """Say how a device that is not seen comes to be."""
    if match.usb or match.pci:
        return "plug it in, or look at lsusb and lspci"
    if match.node and structs.replace(match, node=(), always=True).why_not(facts):
        return "it is part of another board: choose another delegate"
    if match.node:
        return "if the machine has one, load its kernel driver"
    return "it is for another machine: choose another delegate"


def _system(facts: Facts, delegate: Delegate) -> _Fall | None:
    needs = delegate.needs
    if needs is None or facts.page_size_bytes in {None, needs.page_size_bytes}:
        return None
    have = facts.page_size_bytes or 0
    why = (
        f"the kernel has pages of {have // 1024} kB, "
        f"its driver needs {needs.page_size_bytes // 1024} kB"
    )
    return _Fall(Rung.SYSTEM, why, needs.cure)


def _device(facts: Facts, delegate: Delegate) -> _Fall | None:
    """Say what keeps this process from every one of the delegate's devices."""
    sticks, chips = selection.sticks(facts, delegate), selection.chips(facts, delegate)
    if delegate.match.pci and not chips:
        return _Fall(
            Rung.ACCESS,
            "the card is there, its driver is not (no /sys/class/apex)",
            "install gasket-dkms and start again",
        )
    falls = [_access(stick.node, delegate) or _claimed(stick) for stick in sticks]
    falls += [_access(c.node, delegate) or _link(c) or _owner(c) for c in chips]
    falls += [_access(n, delegate) for n in selection.nodes(facts, delegate)]
    return None if None in falls else next(iter(falls), None)


def _access(node: Node, delegate: Delegate) -> _Fall | None:
    if not node.exists:
        cure = "check that udev runs; in a container pass the device through"
        return _Fall(Rung.ACCESS, f"{node.path} does not exist", cure)
    if node.readable and node.writable:
        return None
    cure = "give it a group with a udev rule, and join that"
    if delegate.access:
        group = delegate.access.group
        cure = f"join the group: sudo usermod -aG {group} $USER, then log in again"
    return _Fall(Rung.ACCESS, f"{node.path} may not be written", cure)


def _claimed(stick: UsbDevice) -> _Fall | None:
    if not stick.claimed:
        return None
    why = f"the stick at port {stick.port} is in use by another process"
    cure = f"sudo fuser {stick.node.path} names that process: stop it, or use it there"
    return _Fall(Rung.OWNER, why, cure)


def _link(chip: Apex) -> _Fall | None:
    if chip.temp_c is None or chip.temp_c > DEAD_LINK_C:
        return None
    why = f"{chip.name} reads {chip.temp_c} °C: its PCIe link is dead"
    return _Fall(Rung.LINK, why, "power off, reseat the card, check its supply")


def _owner(chip: Apex) -> _Fall | None:
    if not chip.owned:
        return None
    who = f"process {chip.owner}" if chip.owner else "another process"
    why = f"{chip.name} is in use by {who}"
    return _Fall(Rung.OWNER, why, "stop that process, or use it there")


def _library(facts: Facts, delegate: Delegate) -> tuple[Path | None, Said]:
    """Find the library and ask it, also when an earlier rung breaks.

    Its version is worth knowing before there is a stick. One of another machine
    is not loaded.
    """
    if delegate.library is None:
        return None, Said()
    found = libraries.find(
        delegate.library.names,
        Path(facts.root),
        machine=facts.machine,
        bits=facts.bits,
    )
    return found, libraries.load(found) if found and facts.live else Said()


def _loads(delegate: Delegate, found: Path | None, said: Said) -> _Fall | None:
    if delegate.library is None:
        return None
    cure = delegate.library.cure
    if found is None:
        why = f"the library {delegate.library.names[0]} is not installed"
        return _Fall(Rung.LIBRARY, why, cure)
    if said.why_not is not None:
        why = f"{found} does not load: {said.why_not}"
        return _Fall(Rung.LIBRARY, why, cure)
    return None

"""The cheap checks of a delegate: device, system, access, owner, library.

Nothing is opened here: opening a USB Edge TPU resets it under the process that
uses it, and libedgetpu's opening without permission blocks for 25 s. The costly
rungs, which open the device with a model, come after these.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import structs

from sensorml.access import denial, is_forbidden
from sensorml.delegates import known_issues, libraries, numbering
from sensorml.delegates.descriptor import Delegate
from sensorml.delegates.libraries import LoadResult
from sensorml.errors import Reason
from sensorml.hardware.boards import Match
from sensorml.hardware.devices import Apex, Node, UsbDevice
from sensorml.hardware.facts import Facts

DEAD_LINK_C: Final = -89.0
"""A dead PCIe link reads as all ones, which is -89.7 °C."""


class Rung(StrEnum):
    """The first rung of the ladder of checks that a delegate failed.

    From OPEN on the device is opened and a model is needed.
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
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of the checks of one delegate, with or without a model."""

    delegate: str
    title: str
    rung: Rung
    reason: Reason | None
    """The reason why it cannot be used; None if every check passed."""
    library: str | None
    tried: bool
    """True once it has been run on the real device."""
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """Useful information that is not a fault."""
    library_version: str = ""
    """As libedgetpu reports it; other libraries report none."""
    device: str | None = None
    """The checked device of several: the named one, or the first that is free."""

    @property
    def usable(self) -> bool:
        return self.reason is None


class _Failure(NamedTuple):
    """The rung that failed, and why."""

    rung: Rung
    reason: Reason


def judge(
    facts: Facts,
    delegate: Delegate,
    runtime: RuntimeVerdict,
    *,
    device: str | None = None,
) -> Verdict:
    """Check one delegate, rung by rung, until one fails.

    With `device` ("usb:1") only that device is checked.
    """
    library, loaded = _library(facts, delegate)
    chosen = device or _first_free(facts, delegate)
    failure = (
        _missing_device(facts, delegate, device)
        or _hardware(numbering.restricted(facts, delegate, chosen), delegate)
        or _runtime(runtime)
        or _loads(delegate, library, loaded)
    )
    if failure and failure.rung is Rung.OWNER:
        failure = _with_free_device(failure, _first_free(facts, delegate))
    facts = numbering.restricted(facts, delegate, device)
    return Verdict(
        delegate=delegate.name,
        title=delegate.title,
        rung=failure.rung if failure else Rung.PASSED,
        reason=failure.reason if failure else None,
        library=str(library) if library else None,
        tried=delegate.tried,
        warnings=(
            *known_issues.device_warnings(facts, delegate),
            *known_issues.library_warnings(loaded.version, delegate),
        ),
        notes=(
            *numbering.number_notes(facts, delegate),
            *known_issues.link_notes(facts, delegate),
            *known_issues.firmware_notes(facts, delegate),
        ),
        library_version=loaded.version,
        device=chosen,
    )


def _first_free(facts: Facts, delegate: Delegate) -> str | None:
    """Return the first of the delegate's devices that this process may open."""
    for device in numbering.device_names(facts, delegate):
        if _devices(numbering.restricted(facts, delegate, device), delegate) is None:
            return device
    return None


def _with_free_device(failure: _Failure, free: str | None) -> _Failure:
    if free is None:
        return failure
    cure = f'{failure.reason.cure}, or name a free one: device = "{free}"'
    return failure._replace(reason=failure.reason._replace(cure=cure))


def _missing_device(
    facts: Facts, delegate: Delegate, device: str | None
) -> _Failure | None:
    why = numbering.why_not(facts, delegate, device)
    if why is None:
        return None
    return _Failure(Rung.DEVICE, Reason(why, "name another, or remove the key"))


def _hardware(facts: Facts, delegate: Delegate) -> _Failure | None:
    why = delegate.match.why_not(facts)
    if why is not None:
        return _Failure(Rung.DEVICE, Reason(why, _absence_cure(facts, delegate.match)))
    return _system(facts, delegate) or _devices(facts, delegate)


def _absence_cure(facts: Facts, match: Match) -> str:
    """Return what to do about a device that is not found."""
    if match.usb or match.pci:
        return f"plug it in and look for it with {'lsusb' if match.usb else 'lspci'}"
    if match.node and structs.replace(match, node=(), always=True).why_not(facts):
        return "it is for another board, choose another delegate"
    if match.node:
        return "if the machine has one, load its kernel driver"
    return "it is for another processor, choose another delegate"


def _system(facts: Facts, delegate: Delegate) -> _Failure | None:
    needs = delegate.needs
    if needs is None or facts.page_size_bytes in {None, needs.page_size_bytes}:
        return None
    page_size_bytes = facts.page_size_bytes or 0
    what = (
        f"the kernel has pages of {page_size_bytes // 1024} kB, "
        f"the device's driver needs {needs.page_size_bytes // 1024} kB"
    )
    return _Failure(Rung.SYSTEM, Reason(what, needs.cure))


def _devices(facts: Facts, delegate: Delegate) -> _Failure | None:
    """Return why this process may open none of the delegate's devices."""
    sticks = numbering.sticks(facts, delegate)
    chips = numbering.chips(facts, delegate)
    if delegate.match.pci and not chips:
        what = "the card is present, its driver is not (no /sys/class/apex)"
        cure = "install gasket-dkms and restart the machine"
        return _Failure(Rung.ACCESS, Reason(what, cure))
    failures = [
        _access(stick.node, delegate)
        or _forbidden(facts, stick.node)
        or _claimed(stick)
        for stick in sticks
    ]
    failures += [_access(c.node, delegate) or _link(c) or _owner(c) for c in chips]
    failures += [_access(node, delegate) for node in numbering.nodes(facts, delegate)]
    return None if None in failures else next(iter(failures), None)


def _access(node: Node, delegate: Delegate) -> _Failure | None:
    if not node.exists:
        cure = "check that udev runs; in a container pass the device through"
        return _Failure(Rung.ACCESS, Reason(f"{node.path} does not exist", cure))
    if node.readable and node.writable:
        return None
    cure = "give it a group with a udev rule, and join that group"
    if delegate.access:
        group = delegate.access.group
        cure = f"join the group: sudo usermod -aG {group} $USER, then log in again"
    return _Failure(Rung.ACCESS, Reason(f"access to {node.path} is denied", cure))


def _forbidden(facts: Facts, node: Node) -> _Failure | None:
    """Return why a container or a unit forbids a stick; an Apex must not be opened."""
    if not facts.live or not is_forbidden(node.path):
        return None
    return _Failure(Rung.ACCESS, denial(errno.EPERM, node.path))


def _claimed(stick: UsbDevice) -> _Failure | None:
    if not stick.claimed:
        return None
    what = f"the stick at port {stick.port} is in use by another process"
    cure = f"find that process with sudo fuser {stick.node.path} and stop it"
    return _Failure(Rung.OWNER, Reason(what, cure))


def _link(chip: Apex) -> _Failure | None:
    if chip.temp_c is None or chip.temp_c > DEAD_LINK_C:
        return None
    what = f"{chip.name} reads {chip.temp_c} °C, its PCIe link is dead"
    cure = "power off, reseat the card, check its supply"
    return _Failure(Rung.LINK, Reason(what, cure))


def _owner(chip: Apex) -> _Failure | None:
    if not chip.owned:
        return None
    owner = f"process {chip.owner}" if chip.owner else "another process"
    return _Failure(
        Rung.OWNER, Reason(f"{chip.name} is in use by {owner}", "stop that process")
    )


def _runtime(runtime: RuntimeVerdict) -> _Failure | None:
    return _Failure(Rung.RUNTIME, runtime.reason) if runtime.reason else None


def _library(facts: Facts, delegate: Delegate) -> tuple[Path | None, LoadResult]:
    """Find and load the library, also when an earlier rung fails.

    Its version is useful before there is a device. The library of a captured tree
    is not loaded.
    """
    if delegate.library is None:
        return None, LoadResult()
    path = libraries.find(
        delegate.library.names,
        Path(facts.root),
        machine=facts.machine,
        bits=facts.bits,
    )
    return path, libraries.load(path) if path and facts.live else LoadResult()


def _loads(
    delegate: Delegate, path: Path | None, loaded: LoadResult
) -> _Failure | None:
    if delegate.library is None:
        return None
    if path is None:
        what = f"the library {delegate.library.names[0]} is not installed"
    elif loaded.why_not is not None:
        what = f"{path} does not load ({loaded.why_not})"
    else:
        return None
    return _Failure(Rung.LIBRARY, Reason(what, delegate.library.cure))

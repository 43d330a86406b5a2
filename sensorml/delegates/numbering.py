"""Which of several devices of one kind: "usb:1" is the second Edge TPU on USB.

Numbers count as `probe` lists the devices: by port, or by name on PCIe. They
stay when a device is opened, which libedgetpu's own do not: see
`engines/counting.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sensorml.delegates.descriptor import Delegate
from sensorml.hardware.devices import Apex, Node, UsbDevice
from sensorml.hardware.facts import Facts


def spelled(delegate: Delegate, device: str | None) -> str:
    """Return the device as the library's option, number and all, or "".

    None is the first. A library other than libedgetpu has its own words.
    """
    usual = delegate.library.options.get("device", "") if delegate.library else ""
    device = device or usual
    if not _numbered(delegate):
        return device
    kind, _, number = device.partition(":")
    return f"{kind or usual.partition(':')[0]}:{number or 0}"


def _numbered(delegate: Delegate) -> bool:
    """Whether its devices are on USB or PCIe and its library has libedgetpu's words."""
    usual = delegate.library.options.get("device", "") if delegate.library else ""
    on_bus = delegate.match.usb or delegate.match.pci
    return bool(on_bus) and usual.partition(":")[0] in {"usb", "pci"}


def why_not(facts: Facts, delegate: Delegate, device: str | None) -> str | None:
    """Say why there is no such device of this delegate, or return None."""
    match = delegate.match
    if device is None or not _numbered(delegate):
        return None
    kind, _, number = spelled(delegate, device).partition(":")
    own = "usb" if match.usb else "pci"
    if kind != own:
        return f"device {device} is not one of its own, which are {own}, {own}:1, …"
    found = len(sticks(facts, delegate)) or len(chips(facts, delegate))
    if found and int(number) >= found:
        return f"device {device} is not there: {found} found, counted from 0"
    return None


def only(facts: Facts, delegate: Delegate, device: str | None) -> Facts:
    """Leave out the delegate's other devices; None leaves all in."""
    if device is None or not _numbered(delegate):
        return facts
    number = int(spelled(delegate, device).partition(":")[2])
    wanted = (*sticks(facts, delegate), *chips(facts, delegate))[number : number + 1]
    others = {*sticks(facts, delegate), *chips(facts, delegate)} - {*wanted}
    return replace(
        facts,
        usb=tuple(each for each in facts.usb if each not in others),
        apex=tuple(each for each in facts.apex if each not in others),
    )


def listed(facts: Facts, delegate: Delegate) -> tuple[str, ...]:
    """Return the delegate's devices on USB or PCIe, as `device =` names them."""
    if not _numbered(delegate):
        return ()
    found = (*sticks(facts, delegate), *chips(facts, delegate))
    return tuple(spelled(delegate, f":{n}") for n in range(len(found)))


def numbers(facts: Facts, delegate: Delegate) -> Iterator[str]:
    """Yield, of several devices, which number each has."""
    devices = listed(facts, delegate)
    if len(devices) > 1:
        at = [f"{d} is {Path(path(facts, delegate, d)).name}" for d in devices]
        yield ", ".join(at)


def path(facts: Facts, delegate: Delegate, device: str | None) -> str:
    """Return where one of them is, as libedgetpu names it; "" without such."""
    if device is None or not _numbered(delegate):
        return ""
    facts = only(facts, delegate, device)
    at = [f"/sys/bus/usb/devices/{each.port}" for each in sticks(facts, delegate)]
    at += [chip.node.path for chip in chips(facts, delegate)]
    return at[0] if len(at) == 1 else ""


def sticks(facts: Facts, delegate: Delegate) -> tuple[UsbDevice, ...]:
    return tuple(each for each in facts.usb if each.id in delegate.match.usb)


def nodes(facts: Facts, delegate: Delegate) -> tuple[Node, ...]:
    """Return the nodes that the delegate is recognised by."""
    wanted = delegate.match.node
    return tuple(each for each in facts.accelerators if each.path in wanted)


def chips(facts: Facts, delegate: Delegate) -> tuple[Apex, ...]:
    return facts.apex if delegate.match.pci else ()

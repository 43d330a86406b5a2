"""Selection of one device out of several: "usb:1" is the second Edge TPU on USB.

Devices count as `sensorml probe` lists them: by port on USB, by name on PCIe.
These numbers stay when a device is opened; libedgetpu's own do not, and
`child_main` translates them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sensorml.delegates.descriptor import Delegate
from sensorml.hardware.devices import Apex, Node, UsbDevice
from sensorml.hardware.facts import Facts


def device_option(delegate: Delegate, device: str | None) -> str:
    """Return the device as the library's option with its number ("usb:0"), or "".

    None is the first. Libraries other than libedgetpu get `device` unchanged.
    """
    usual = delegate.library.options.get("device", "") if delegate.library else ""
    device = device or usual
    if not _numbered(delegate):
        return device
    kind, _, number = device.partition(":")
    return f"{kind or usual.partition(':')[0]}:{number or 0}"


def _numbered(delegate: Delegate) -> bool:
    """Return whether its devices are on USB or PCIe and libedgetpu numbers them."""
    usual = delegate.library.options.get("device", "") if delegate.library else ""
    on_bus = delegate.match.usb or delegate.match.pci
    return bool(on_bus) and usual.partition(":")[0] in {"usb", "pci"}


def why_not(facts: Facts, delegate: Delegate, device: str | None) -> str | None:
    """Return why the delegate has no such device, or None."""
    if device is None or not _numbered(delegate):
        return None
    kind, _, number = device_option(delegate, device).partition(":")
    own = "usb" if delegate.match.usb else "pci"
    if kind != own:
        return f"device {device} is not one of {own}, {own}:1, …"
    count = len(_devices(facts, delegate))
    if count and int(number) >= count:
        return f"device {device} is missing: {count} found, counted from 0"
    return None


def restricted(facts: Facts, delegate: Delegate, device: str | None) -> Facts:
    """Return facts without the delegate's other devices; None leaves all in."""
    if device is None or not _numbered(delegate):
        return facts
    number = int(device_option(delegate, device).partition(":")[2])
    devices = _devices(facts, delegate)
    others = {*devices} - {*devices[number : number + 1]}
    return replace(
        facts,
        usb=tuple(stick for stick in facts.usb if stick not in others),
        apex=tuple(chip for chip in facts.apex if chip not in others),
    )


def device_names(facts: Facts, delegate: Delegate) -> tuple[str, ...]:
    """Return the delegate's devices on USB or PCIe, as `device =` names them."""
    if not _numbered(delegate):
        return ()
    count = len(_devices(facts, delegate))
    return tuple(device_option(delegate, f":{n}") for n in range(count))


def number_notes(facts: Facts, delegate: Delegate) -> Iterator[str]:
    """Yield the number of each device, if there are several."""
    devices = device_names(facts, delegate)
    if len(devices) > 1:
        yield ", ".join(
            f"{device} is {Path(path(facts, delegate, device)).name}"
            for device in devices
        )


def path(facts: Facts, delegate: Delegate, device: str | None) -> str:
    """Return a device's path in libedgetpu's list, or "" if it has none."""
    if device is None or not _numbered(delegate):
        return ""
    facts = restricted(facts, delegate, device)
    paths = [f"/sys/bus/usb/devices/{stick.port}" for stick in sticks(facts, delegate)]
    paths += [chip.node.path for chip in chips(facts, delegate)]
    return paths[0] if len(paths) == 1 else ""


def sticks(facts: Facts, delegate: Delegate) -> tuple[UsbDevice, ...]:
    return tuple(device for device in facts.usb if device.id in delegate.match.usb)


def chips(facts: Facts, delegate: Delegate) -> tuple[Apex, ...]:
    return facts.apex if delegate.match.pci else ()


def nodes(facts: Facts, delegate: Delegate) -> tuple[Node, ...]:
    """Return the device files that the delegate is recognised by."""
    paths = delegate.match.node
    return tuple(node for node in facts.accelerators if node.path in paths)


def _devices(facts: Facts, delegate: Delegate) -> tuple[UsbDevice | Apex, ...]:
    return (*sticks(facts, delegate), *chips(facts, delegate))

"""What is known to go wrong although a delegate can be used, each with its cure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sensorml.delegates import numbering as selection
from sensorml.delegates.descriptor import Delegate
from sensorml.hardware.facts import Facts

USB2_MBPS: Final = 480
NO_FIRMWARE: Final = "1a6e:089a"
"""An Edge TPU on USB until it is opened for the first time since it has power."""

EDGETPU_RUNTIME: Final = 14
"""That of libedgetpu 14 to 16 and of everything built since."""
OLDEST_GCC: Final = 8
"""TensorFlow 2.13 wants C++17 whole; Google built libedgetpu with GCC 5 and 6."""

_RUNTIME = re.compile(r"RuntimeVersion\((\d+)\)")
_COMPILER = re.compile(r"COMPILER=(\d+)\.")


def of_device(facts: Facts, delegate: Delegate) -> Iterator[str]:
    """Yield what slows the devices of this delegate down."""
    # Every root hub of the machine is in the list too.
    fastest = max((device.speed_mbps or 0 for device in facts.usb), default=0)
    faster = "this machine has no faster port"
    if fastest > USB2_MBPS:
        faster = "use a blue USB 3 port and its own cable"
    for stick in selection.sticks(facts, delegate):
        if stick.speed_mbps is not None and stick.speed_mbps <= USB2_MBPS:
            yield (
                f"{delegate.title} at port {stick.port} runs at USB 2 speed: a model "
                f"takes about 4 ms longer there; {faster}"
            )
    for chip in selection.chips(facts, delegate):
        passed = [t for t in chip.trip_points_c if (chip.temp_c or 0) >= t]
        if passed:
            yield (
                f"{chip.name} is at {chip.temp_c} °C, over {max(passed):g} °C: "
                f"its clock is divided by {2 ** len(passed)}; cool it"
            )


def of_link(facts: Facts, delegate: Delegate) -> Iterator[str]:
    """Yield how fast the PCIe links of its devices are."""
    for card in facts.pci:
        if card.id in delegate.match.pci and card.link_gtps and card.link_lanes:
            yield f"{card.slot} at {card.link_gtps:g} GT/s x{card.link_lanes}"


def of_firmware(facts: Facts, delegate: Delegate) -> Iterator[str]:
    """Yield what looks like a fault and is none."""
    for stick in selection.sticks(facts, delegate):
        if stick.id == NO_FIRMWARE:
            yield (
                f"at port {stick.port} without firmware yet ({stick.id}), which is "
                "normal: its first opening changes the id and the node, so give a "
                "container all of /dev/bus/usb"
            )


def of_library(version: str, delegate: Delegate) -> Iterator[str]:
    """Yield why a library by this version is too old, if it is.

    >>> from sensorml.delegates.descriptor import delegates
    >>> from sensorml.resources import folders
    >>> stick = delegates(folders("delegates"))["edgetpu-usb"]
    >>> label = "BuildLabel(COMPILER={},DATE=redacted), RuntimeVersion({})"
    >>> next(of_library(label.format("6.3.0 20170516", 14), stick)).split(":")[0]
    'libedgetpu.so.1 was built by GCC 6, as Google built it for TensorFlow 2.5'
    >>> list(of_library(label.format("12.2.0", 14), stick))
    []
    """
    if delegate.library is None:
        return
    name, cure = delegate.library.names[0], delegate.library.cure
    runtime, compiler = _RUNTIME.search(version), _COMPILER.search(version)
    if runtime and int(runtime[1]) < EDGETPU_RUNTIME:
        yield f"{name} is of runtime version {runtime[1]}, too old: {cure}"
    elif compiler and int(compiler[1]) < OLDEST_GCC:
        yield (
            f"{name} was built by GCC {compiler[1]}, as Google built it for "
            f"TensorFlow 2.5: that crashes in newer runtimes: {cure}"
        )

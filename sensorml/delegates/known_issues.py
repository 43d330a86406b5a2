"""Known issues of delegates that can still be used, each with its cure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sensorml.delegates import numbering
from sensorml.delegates.descriptor import Delegate
from sensorml.hardware.facts import Facts

USB2_MBPS: Final = 480
NO_FIRMWARE: Final = "1a6e:089a"
"""The id of an Edge TPU on USB from power-on until it is first opened."""

EDGETPU_RUNTIME: Final = 14
"""The runtime version of libedgetpu 14 to 16 and of every later build."""
OLDEST_GCC: Final = 8
"""TensorFlow 2.13 needs all of C++17; Google built libedgetpu with GCC 5 and 6."""

_RUNTIME = re.compile(r"RuntimeVersion\((\d+)\)")
_COMPILER = re.compile(r"COMPILER=(\d+)\.")


def device_warnings(facts: Facts, delegate: Delegate) -> Iterator[str]:
    """Yield what slows the delegate's devices down: USB 2, heat."""
    # The list includes every root hub of the machine.
    fastest = max((device.speed_mbps or 0 for device in facts.usb), default=0)
    cure = "this machine has no faster port"
    if fastest > USB2_MBPS:
        cure = "use a blue USB 3 port and the stick's own cable"
    for stick in numbering.sticks(facts, delegate):
        if stick.speed_mbps is not None and stick.speed_mbps <= USB2_MBPS:
            yield (
                f"{delegate.title} at port {stick.port} runs at USB 2 speed, a model "
                f"takes about 4 ms longer: {cure}"
            )
    for chip in numbering.chips(facts, delegate):
        passed = [t for t in chip.trip_points_c if (chip.temp_c or 0) >= t]
        if passed:
            yield (
                f"{chip.name} is at {chip.temp_c} °C, over {max(passed):g} °C, its "
                f"clock is divided by {2 ** len(passed)}: improve its cooling"
            )


def link_notes(facts: Facts, delegate: Delegate) -> Iterator[str]:
    """Yield the speed of the PCIe links of the delegate's devices."""
    for card in facts.pci:
        if card.id in delegate.match.pci and card.link_gtps and card.link_lanes:
            yield f"{card.slot} at {card.link_gtps:g} GT/s x{card.link_lanes}"


def firmware_notes(facts: Facts, delegate: Delegate) -> Iterator[str]:
    """Yield which devices have no firmware yet, which is not a fault."""
    for stick in numbering.sticks(facts, delegate):
        if stick.id == NO_FIRMWARE:
            yield (
                f"the stick at port {stick.port} has no firmware yet ({stick.id}), "
                "which is normal; its first opening changes its id and device file, "
                "so give a container all of /dev/bus/usb"
            )


def library_warnings(version: str, delegate: Delegate) -> Iterator[str]:
    """Yield why a library of this version is too old, if it is.

    >>> from sensorml.delegates.descriptor import delegates
    >>> from sensorml.resources import folders
    >>> stick = delegates(folders("delegates"))["edgetpu-usb"]
    >>> label = "BuildLabel(COMPILER={},DATE=redacted), RuntimeVersion({})"
    >>> old = label.format("6.3.0 20170516", 14)
    >>> next(library_warnings(old, stick)).split(",")[0]
    'libedgetpu.so.1 was built with GCC 6'
    >>> list(library_warnings(label.format("12.2.0", 14), stick))
    []
    """
    if delegate.library is None:
        return
    name, cure = delegate.library.names[0], delegate.library.cure
    runtime, compiler = _RUNTIME.search(version), _COMPILER.search(version)
    if runtime and int(runtime[1]) < EDGETPU_RUNTIME:
        yield f"{name} has runtime version {runtime[1]}, which is too old: {cure}"
    elif compiler and int(compiler[1]) < OLDEST_GCC:
        yield (
            f"{name} was built with GCC {compiler[1]}, probably by Google for "
            f"TensorFlow 2.5, and crashes in newer runtimes: {cure}"
        )

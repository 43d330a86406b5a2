"""The facts about one machine, from its kernel.

Sources: proc(5) and Documentation/ABI of the Linux kernel. The same reader
serves the running machine and a captured tree (`sensorml probe --root DIR`).
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sensorml.hardware import devices
from sensorml.hardware.gpio_chips import GpioChip, gpio_chips
from sensorml.hardware.tree import Tree, parse_int

DEVICE_TREE = ("sys/firmware/devicetree/base", "proc/device-tree")
"""The second is a link to the first on a live kernel, a folder in most copies."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor; `cores` counts those that are online."""

    model: str
    """The names of all kinds of cores: "Cortex-A53 + Cortex-A73"."""
    features: tuple[str, ...]
    cores: int


@dataclass(frozen=True, slots=True)
class Temperature:
    """One thermal zone."""

    zone: str
    temp_c: float


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts that a descriptor may match. Gathered once, never updated."""

    root: str
    live: bool
    machine: str
    """The output of `uname -m`; "" if unknown."""
    bits: int | None
    """The word size of programs, which may be 32 under a 64-bit kernel."""
    kernel: str
    system: str
    page_size_bytes: int | None
    model: str
    dt_compatible: tuple[str, ...]
    """In the order of the device tree: the most specific first."""
    cpu: Cpu
    memory_bytes: int | None
    usb: tuple[devices.UsbDevice, ...]
    pci: tuple[devices.PciDevice, ...]
    apex: tuple[devices.Apex, ...]
    i2c: tuple[devices.I2cAdapter, ...]
    spi: tuple[devices.Node, ...]
    one_wire: tuple[devices.OneWireMaster, ...]
    accelerators: tuple[devices.Node, ...]
    """The nodes of accelerators that are part of the SoC."""
    gpio: tuple[GpioChip, ...]
    temperatures: tuple[Temperature, ...]
    throttled: tuple[str, ...]
    """Reasons that throttle a Raspberry Pi now, or did since its start."""

    @classmethod
    def gather(cls, root: Path = Path("/")) -> Facts:
        """Read all facts under `root`. Missing facts are empty; never raises."""
        tree = Tree.at(root)
        lines = [
            (key.strip(), value.strip())
            for line in tree.text("proc/cpuinfo").splitlines()
            for key, _, value in [line.partition(":")]
        ]
        machine = _machine(tree, lines)
        return cls(
            root=str(root),
            live=tree.live,
            machine=machine,
            bits=_bits(tree, machine),
            kernel=tree.text("proc/sys/kernel/osrelease"),
            system=_system(tree),
            page_size_bytes=_page_size(tree),
            model=_first(tree, "model"),
            dt_compatible=tuple(p for p in _first(tree, "compatible").split("\0") if p),
            cpu=_cpu(tree, lines),
            memory_bytes=kilobytes(tree.text("proc/meminfo"), "MemTotal"),
            usb=tuple(devices.usb(tree)),
            pci=tuple(devices.pci(tree)),
            apex=tuple(devices.apex(tree)),
            i2c=tuple(devices.i2c(tree)),
            spi=tuple(devices.spi(tree)),
            one_wire=tuple(devices.one_wire(tree)),
            accelerators=tuple(devices.accelerators(tree)),
            gpio=tuple(gpio_chips(tree)),
            temperatures=tuple(temperatures(tree)),
            throttled=throttling(tree),
        )


def _first(tree: Tree, name: str) -> str:
    """Return a property of the device tree's root node."""
    return next((t for d in DEVICE_TREE if (t := tree.text(f"{d}/{name}"))), "")


def _machine(tree: Tree, cpuinfo: list[tuple[str, str]]) -> str:
    if arch := tree.text("proc/sys/kernel/arch"):  # since Linux 6.1
        return arch
    if tree.live:
        return platform.machine()
    # arch/arm64/kernel/cpuinfo.c writes this for any processor; a 32-bit kernel
    # writes 7 for the same processors.
    return "aarch64" if ("CPU architecture", "8") in cpuinfo else ""


def _bits(tree: Tree, machine: str) -> int | None:
    if tree.live:
        return 64 if sys.maxsize > 2**32 else 32
    if tree.access("lib/ld-linux-armhf.so.3", os.F_OK):
        return 64 if tree.access("lib/ld-linux-aarch64.so.1", os.F_OK) else 32
    if machine:
        return 64 if machine.endswith("64") else 32
    return None


def _system(tree: Tree) -> str:
    for line in tree.text("etc/os-release").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip("\"'")
    return ""


def _page_size(tree: Tree) -> int | None:
    """Return the page size; a captured tree states it in proc/self/smaps."""
    if tree.live:
        return os.sysconf("SC_PAGE_SIZE")
    return kilobytes(tree.text("proc/self/smaps"), "KernelPageSize")


def kilobytes(text: str, key: str) -> int | None:
    """Find `key: n kB` and return it in bytes.

    >>> kilobytes("MemTotal:  8 kB", "MemTotal")
    8192
    """
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == key:
            count = parse_int(value.removesuffix("kB").strip())
            return None if count is None else count * 1024
    return None


def _cpu(tree: Tree, cpuinfo: list[tuple[str, str]]) -> Cpu:
    fields = dict(reversed(cpuinfo))  # the first processor's
    names = [value for key, value in cpuinfo if key == "model name"]
    parts = [_ARM_PARTS.get(value, "") for key, value in cpuinfo if key == "CPU part"]
    kinds = dict.fromkeys(filter(None, names or parts))
    features = fields.get("Features") or fields.get("flags") or ""
    online = _ranges(tree.text("sys/devices/system/cpu/online"))
    processors = sum(key == "processor" for key, _ in cpuinfo)
    return Cpu(" + ".join(kinds), tuple(features.split()), online or processors)


# Arm's MIDR part numbers, because a 64-bit kernel writes no model in cpuinfo.
_ARM_PARTS = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0b": "Cortex-A76",
    "0xd42": "Cortex-A78AE",
}


_MAX_CORES = 8192  # NR_CPUS of the kernel's biggest configuration


def _ranges(text: str) -> int:
    """Count the members of a kernel list of processors.

    >>> _ranges("0-3,5")
    5
    """
    count = 0
    for part in text.split(","):
        low, _, high = part.partition("-")
        first, last = parse_int(low), parse_int(high or low)
        if first is not None and last is not None:
            count += max(0, last - first + 1)
    return min(count, _MAX_CORES)


def temperatures(tree: Tree) -> Iterator[Temperature]:
    """Yield the temperature of every thermal zone."""
    for zone in tree.names("sys/class/thermal"):
        temp_c = devices.celsius(tree, f"sys/class/thermal/{zone}/temp")
        if zone.startswith("thermal_zone") and temp_c is not None:
            kind = tree.text(f"sys/class/thermal/{zone}/type")
            yield Temperature(kind or zone, temp_c)


# Raspberry Pi documentation, vcgencmd get_throttled.
_THROTTLED = {
    0: "under-voltage now",
    1: "ARM frequency capped now",
    2: "throttled now",
    3: "soft temperature limit now",
    16: "under-voltage since start",
    17: "ARM frequency was capped since start",
    18: "was throttled since start",
    19: "soft temperature limit was reached since start",
}


def throttling(tree: Tree) -> tuple[str, ...]:
    base = "sys/devices/platform"
    places = [f"{base}/soc/soc:firmware"]
    places += [f"{base}/{s}/{s}:firmware" for s in tree.names(base) if s[:4] == "soc@"]
    for place in places:
        bits = parse_int(tree.text(f"{place}/get_throttled"), 16)
        if bits is not None:
            return tuple(
                reason for bit, reason in _THROTTLED.items() if bits >> bit & 1
            )
    return ()

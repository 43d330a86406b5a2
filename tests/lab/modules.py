"""Kernel modules: the kernel's own drivers, loaded and bound to an address."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from adapter import wait_for

_MODULES = Path(os.environ.get("SENSORML_LAB_KERNEL", "")) / "modules"
_BUS = Path("/sys/bus/i2c/devices/i2c-1")


def is_built(name: str) -> bool:
    """Return whether this kernel has a module."""
    return (_MODULES / f"{name}.ko").exists()


@contextmanager
def loaded(*names: str) -> Iterator[None]:
    """Load modules in this order, so that a module comes after those it needs.

    Parameters may follow a name: "i2c-stub chip_addr=0x53".
    """
    with ExitStack() as stack:
        for module in names:
            name, *parameters = module.split()
            _busybox("insmod", str(_MODULES / f"{name}.ko"), *parameters)
            stack.callback(_busybox, "rmmod", name)
        yield


@contextmanager
def bound(driver: str, address: int) -> Iterator[Path]:
    """Bind a driver of the kernel to an address of i2c-1; yield the device's folder."""
    device = _BUS / f"1-{address:04x}"
    (_BUS / "new_device").write_text(f"{driver} {address:#04x}")
    try:
        wait_for((device / "driver").exists)
        yield device
    finally:
        (_BUS / "delete_device").write_text(f"{address:#04x}")
        wait_for(lambda: not device.exists())


def _busybox(*command: str) -> None:
    done = subprocess.run(["/bin/busybox", *command], capture_output=True, check=False)
    assert not done.returncode, f"{' '.join(command)}: {done.stderr.decode()}"

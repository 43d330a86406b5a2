"""The functions of libedgetpu that open no device: its version, its list of devices.

`python edgetpu_library.py PATH` loads a library and prints its version, or nothing
if it is another library; a script, because a library may crash the process. It
imports the standard library only. Source: libedgetpu, tflite/public/edgetpu_c.h.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_TYPES: Final = {"pci": 0, "usb": 1}  # enum edgetpu_device_type


class _EdgetpuDevice(ctypes.Structure):
    """`struct edgetpu_device`."""

    _fields_ = (("type", ctypes.c_int), ("path", ctypes.c_char_p))

    type: int
    path: bytes


def device_paths(path: str, kind: str) -> list[str]:
    """Return the paths of the devices ("usb" or "pci") in libedgetpu's own order.

    Raises:
        OSError: the library does not load.
        AttributeError: it is not libedgetpu.
    """
    library = ctypes.CDLL(path)
    count = ctypes.c_size_t()
    library.edgetpu_list_devices.restype = ctypes.POINTER(_EdgetpuDevice)
    devices = library.edgetpu_list_devices(ctypes.byref(count))
    paths = [
        devices[i].path.decode()
        for i in range(count.value)
        if devices[i].type == _TYPES[kind]
    ]
    library.edgetpu_free_devices.argtypes = [ctypes.POINTER(_EdgetpuDevice)]
    library.edgetpu_free_devices(devices)
    return paths


def main() -> int:
    try:
        library = ctypes.CDLL(sys.argv[1])
    except OSError as err:
        sys.stderr.write(f"{err}\n")
        return 1
    try:
        version = library.edgetpu_version
    except AttributeError:
        return 0
    version.restype = ctypes.c_char_p
    sys.stdout.write((version() or b"").decode(errors="replace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())

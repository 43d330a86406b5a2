"""Which number a device has in libedgetpu just now.

The library counts sticks without firmware first, then the others, the newest
first, and PCIe chips as the folder lists them: an opening renumbers them. It
says in which order, by path, without opening any. Sources: libedgetpu,
tflite/public/edgetpu_c.h, driver/beagle/beagle_usb_driver_provider.cc.
"""

from __future__ import annotations

import ctypes
from typing import Final

from sensorml.errors import DelegateError
from sensorml.inference.delegate_library import Accelerator

_TYPES: Final = {"pci": 0, "usb": 1}  # enum edgetpu_device_type


class _Device(ctypes.Structure):
    """`struct edgetpu_device`."""

    _fields_ = (("type", ctypes.c_int), ("path", ctypes.c_char_p))

    type: int
    path: bytes


def renumbered(accelerator: Accelerator) -> Accelerator:
    """Give the device at the accelerator's path the number that it has just now.

    Where there is no path, or the library cannot be asked, the number stays.

    Raises:
        DelegateError: the library does not see the device.
    """
    name, library, options, _, path = accelerator
    if not path:
        return accelerator
    kind = options["device"].partition(":")[0]
    try:
        listed = _paths(ctypes.CDLL(library), _TYPES[kind])
    except (OSError, AttributeError):  # the opening has a better sentence
        return accelerator
    if path not in listed:
        why = f"{name}: {library} does not see {path}"
        raise DelegateError(why, "unplug it and plug it in again")
    device = f"{kind}:{listed.index(path)}"
    return accelerator._replace(options={**options, "device": device})


def _paths(library: ctypes.CDLL, kind: int) -> list[str]:
    count = ctypes.c_size_t()
    library.edgetpu_list_devices.restype = ctypes.POINTER(_Device)
    devices = library.edgetpu_list_devices(ctypes.byref(count))
    paths = [
        devices[i].path.decode() for i in range(count.value) if devices[i].type == kind
    ]
    library.edgetpu_free_devices.argtypes = [ctypes.POINTER(_Device)]
    library.edgetpu_free_devices(devices)
    return paths

"""Scans of Industrial I/O, packed as the kernel packs them."""

from __future__ import annotations


def align(offset, size):
    return offset + -offset % size


def pack(elements, values):
    """Return the bytes of one scan, laid out as iio_compute_scan_bytes does it."""
    scan, largest = b"", 0
    for element, value in zip(elements, values, strict=True):
        size = element.storage_bits // 8
        scan = scan.ljust(align(len(scan), size), b"\xa5")
        # Unused bits are set, because the kernel does not promise that they are 0.
        mask = (1 << element.bits) - 1
        stored = (value & mask) << element.shift
        stored |= ~(mask << element.shift) & (1 << element.storage_bits) - 1
        scan += stored.to_bytes(size, "little" if element.order == "<" else "big")
        largest = max(largest, size)
    return scan.ljust(align(len(scan), largest), b"\xa5")

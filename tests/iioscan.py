"""Scans of Industrial I/O, packed as the kernel packs them."""

from __future__ import annotations


def align(at, size):
    return at + -at % size


def pack(elements, values):
    """Store one scan as iio_compute_scan_bytes of the kernel lays it out."""
    scan, largest = b"", 0
    for each, value in zip(elements, values, strict=True):
        size = each.storage_bits // 8
        scan = scan.ljust(align(len(scan), size), b"\xa5")
        # Garbage around the bits: nobody promises that they are 0.
        stored = (value & (1 << each.bits) - 1) << each.shift
        stored |= ~(((1 << each.bits) - 1) << each.shift) & (1 << each.storage_bits) - 1
        scan += stored.to_bytes(size, "little" if each.order == "<" else "big")
        largest = max(largest, size)
    return scan.ljust(align(len(scan), largest), b"\xa5")

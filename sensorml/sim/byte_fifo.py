"""The FIFO of InvenSense's chips: a ring of bytes.

Data sheet: MPU-6000/MPU-6050 Register Map and Descriptions Rev. 4.2, sections
4.30 and 4.31; those of the later chips say the same.
"""

from __future__ import annotations


class ByteFifo:
    """The bytes that a chip has collected and that were not read yet."""

    def __init__(self, size: int) -> None:
        self.enough = size // 2 + 1
        """Samples that overflow it whatever goes into it, at 2 bytes the least."""
        self.latched = 0
        """The count at the last `latch`."""
        self._size = size
        self._bytes = bytearray()
        self._last = 0

    def push(self, data: bytes) -> bool:
        """Append; False when the oldest bytes went: rows lose their alignment."""
        self._bytes += data
        over = len(self._bytes) - self._size
        if over > 0:
            del self._bytes[:over]
        return over <= 0

    def pop(self) -> int:
        """Take the oldest byte out; empty, it repeats the last one."""
        if self._bytes:
            self._last = self._bytes.pop(0)
        return self._last

    def latch(self) -> int:
        """Count the bytes, and keep the count until the next time."""
        self.latched = len(self._bytes)
        return self.latched

    def clear(self) -> None:
        self._bytes.clear()

"""Files whose bytes are counted while they are read, for a progress bar.

The observer is a context variable: a dozen formats read in their own way, and none of
them has to pass it on.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Observer: TypeAlias = Callable[[Path, int, int], None]
"""Called with a file, its bytes that are read so far, and all its bytes."""

_PART: Final = 1 << 22
_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Report the reading of files in this thread.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, observed(lambda *seen: print(seen[1:])):
    ...     path = Path(folder, "a")
    ...     _ = path.write_bytes(bytes(10))
    ...     with CountedFile(path) as file:
    ...         _ = file.read(4), file.read()
    (4, 10)
    (10, 10)
    """
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


class CountedFile(io.FileIO):
    """A file that is read only, and reports how far."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            OSError: it cannot be opened.
        """
        super().__init__(path)
        self._path = path
        self._size = path.stat().st_size
        self._done = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes, all that are left when negative."""
        data = super().read(-1 if size is None else size) or b""
        self._count(len(data))
        return data

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into a buffer; return the number of bytes."""
        size = super().readinto(buffer) or 0
        self._count(size)
        return size

    def take(self, size: int) -> bytearray:
        """Read `size` bytes, fewer at the end of the file."""
        data = bytearray(size)
        view, at = memoryview(data), 0
        while read := self.readinto(view[at : at + _PART]):
            at += read
        view.release()
        del data[at:]
        return data

    def _count(self, size: int) -> None:
        # Some formats read their beginning twice.
        self._done = min(self._done + size, self._size)
        observer = _observer.get()
        if observer is not None and size:
            observer(self._path, self._done, self._size)

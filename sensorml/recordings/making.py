"""The making of a recording: a part file that grows, and at the end the recording."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sensorml.errors import OutputError, RecordingError
from sensorml.files import refuse_special, unwritable
from sensorml.recordings.part import ENDING, PartReader, PartWriter
from sensorml.recordings.recording import Labels
from sensorml.recordings.writers import write, writer_for
from sensorml.types import Block

_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NewRecording:
    """A recording that is being made at a path, which is replaced by `finish`.

    Until then its rows are in `part`, which no other process may write. It stays
    there if `finish` is not reached, and can be read as a recording.
    """

    def __init__(self, path: Path) -> None:
        """Open the part file.

        Raises:
            OutputError: the recording could not be written there in the end.
            MissingExtraError: its format needs a library that is not installed.
        """
        writer_for(path)
        self.path = path
        self.part = path.with_name(path.name + ENDING)
        self.kept: Path | None = None
        """The new name of a part that was left by a process that was killed."""
        refuse_special(path)
        try:
            self._descriptor = self._open()
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            if isinstance(err, OutputError):
                raise
            raise unwritable(self.part, err) from err
        self.rows = PartWriter(self._descriptor)

    def begin(self, labels: Labels) -> None:
        """Write the labels of the rows.

        Raises:
            OutputError: they cannot be written.
        """
        try:
            self.rows.begin(labels)
        except OSError as err:
            raise unwritable(self.part, err) from err

    def write(self, block: Block) -> None:
        """Append rows with times in UTC.

        Raises:
            OutputError: they cannot be written.
        """
        try:
            self.rows.write(block)
        except OSError as err:
            raise unwritable(self.part, err) from err

    def finish(self) -> tuple[str, ...]:
        """Write the recording from its part, which is deleted then.

        Returns:
            What the format cannot hold, in words.

        Raises:
            OutputError: it cannot be written; the part is still there.
        """
        notes = tuple(write(self.path, self.rows.content(self.part)))
        self.discard()
        return notes

    def discard(self) -> None:
        """Delete the part."""
        with suppress(OSError):
            self.part.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def _open(self) -> int:
        try:
            return os.open(self.part, _CREATE, 0o666)
        except FileExistsError:
            self._set_aside()
            return os.open(self.part, _CREATE, 0o666)

    def _set_aside(self) -> None:
        """Rename the part of a process that is gone; delete one without rows."""
        descriptor = os.open(self.part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            has_rows = next(PartReader(self.part).chunks(), None) is not None
        except BlockingIOError:
            raise OutputError(
                f"{self.part}: another process is making this recording: wait for "
                "its end, or choose another name"
            ) from None
        except RecordingError as err:
            raise OutputError(
                f"{self.part}: is in the way and was not made by sensorml: move it"
            ) from err
        finally:
            os.close(descriptor)
        if not has_rows:
            return self.part.unlink()
        names = (f"{self.path.stem}-{n}{self.path.suffix}{ENDING}" for n in count(1))
        self.kept = next(
            path for name in names if not (path := self.path.with_name(name)).exists()
        )
        self.part.rename(self.kept)
        return None

"""One accelerator and the models on it: opening in one process, reset after a hang."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from sensorml.delegates.qualification import DeviceState
from sensorml.errors import DelegateError, Reason
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.tflite_file import ModelFile

if TYPE_CHECKING:
    from sensorml.delegates.child_engine import ChildEngine, SharedChild

SETTLE_S: Final = 2.0
"""The time that a stick needs after a reset."""

_POLL_S: Final = 0.1  # how often a wait checks whether it was cancelled
_USBDEVFS_RESET: Final = 0x5514  # _IO('U', 20), linux/usbdevice_fs.h

log = logging.getLogger("sensorml")


class AcceleratorDevice:
    """One accelerator: its models are opened together, in one process.

    A second process that opened the device would reset it under the first one,
    and a model that is opened in a running process would stop the others for
    seconds.
    """

    def __init__(
        self,
        name: str,
        options: dict[str, str],
        examine: Callable[[], DeviceState],
        *,
        cure: str,
        reset: Callable[[str], str | None] | None = None,
    ) -> None:
        """Prepare; nothing is opened.

        Args:
            name: the delegate's.
            options: for its library.
            examine: repeats the cheap checks; called before every opening.
            cure: how to get a library that works.
            reset: resets a USB device that hangs; `reset_usb` by default.
        """
        self.name = name
        self._options = options
        self._examine = examine
        self._cure = cure
        self._reset = reset or reset_usb
        self._lock = threading.Lock()  # held for as long as an opening takes
        self._files: dict[int, ModelFile] = {}
        self._child: SharedChild | None = None
        self._openings = 0
        self._failure: Reason | None = None

    def add(self, file: ModelFile) -> ModelSlot:
        """Return a slot for a verified model; before any is opened."""
        number = len(self._files)
        self._files[number] = file
        return ModelSlot(self, number)

    def drop(self, number: int) -> None:
        """Exclude a model from the next opening."""
        del self._files[number]

    def open(self, number: int, cancel: threading.Event) -> ChildEngine:
        """Return an engine for one of the models; open all if none is open.

        Raises:
            DelegateError: it cannot be opened now, or its opening was cancelled.
        """
        openings = self._openings
        while not self._lock.acquire(timeout=_POLL_S):
            if cancel.is_set():
                raise DelegateError(f"{self.name}: its opening was cancelled")
        try:
            if self._openings != openings and self._failure:
                # Another model's opening failed while this one waited.
                raise DelegateError(*self._failure)
            engine = self._child.engine(number) if self._child else None
            return engine or self._open(number, cancel)
        finally:
            self._lock.release()

    def _open(self, number: int, cancel: threading.Event) -> ChildEngine:
        from sensorml.delegates.child_engine import OPEN_S, SharedChild

        last, self._child = self._child, None
        if last is not None:
            last.end()
            if last.hung:
                self._revive(cancel)
        try:
            self._child = SharedChild(dict(self._files), self._accelerator())
            self._child.open(OPEN_S, cancel)
        except DelegateError as err:
            self._failure = err.reason
            raise
        else:
            self._failure = None
        finally:
            self._openings += 1
        engine = self._child.engine(number)
        if engine is None:
            raise DelegateError(
                f"{self.name}: its process ended as soon as it was open",
                f"see its output in the log, or {self._cure}",
            )
        return engine

    def _accelerator(self) -> Accelerator:
        """Return what to open; raise DelegateError if a check fails."""
        verdict, path, _ = self._examine()
        if verdict.reason is not None:
            what, cure = verdict.reason
            raise DelegateError(f"{self.name}: {what}", cure)
        if verdict.library is None:
            raise DelegateError(f"{self.name}: it has no library", "choose another")
        return Accelerator(self.name, verdict.library, self._options, self._cure, path)

    def _revive(self, cancel: threading.Event) -> None:
        """Reset the stick that hung, unless another process uses it by now."""
        verdict, _, node = self._examine()
        if not node or not verdict.usable:
            return
        error = self._reset(node)
        log.info("%s", error or f"{self.name}: {node} was reset")
        if error is None:
            cancel.wait(SETTLE_S)


class ModelSlot(NamedTuple):
    """One model on an accelerator; the others there are opened with it."""

    device: AcceleratorDevice
    number: int

    @property
    def name(self) -> str:
        return self.device.name

    def open(self, cancel: threading.Event) -> ChildEngine:
        """Open it; raise DelegateError as `AcceleratorDevice.open` does."""
        return self.device.open(self.number, cancel)

    def drop(self) -> None:
        """Release the slot."""
        self.device.drop(self.number)


def reset_usb(
    node: str, ioctl: Callable[[int, int], object] = fcntl.ioctl
) -> str | None:
    """Reset the device behind /dev/bus/usb/BBB/DDD as if it were plugged in again.

    Its number may change. Returns the error, or None.
    """
    try:
        fd = os.open(node, os.O_WRONLY)
    except OSError as err:
        return f"{node} was not reset: {err.strerror}"
    try:
        ioctl(fd, _USBDEVFS_RESET)
    except OSError as err:
        return f"{node} was not reset: {err.strerror}"
    finally:
        os.close(fd)
    return None

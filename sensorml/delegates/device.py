"""One accelerator and the models that live on it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from sensorml.delegates import usb_reset as usbreset
from sensorml.delegates.qualification import Sight
from sensorml.errors import DelegateError
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.tflite_file import ModelFile

if TYPE_CHECKING:
    from sensorml.delegates.child_engine import ChildEngine, SharedChild

SETTLE_S: Final = 2.0
"""For a stick to come back after a reset."""

_ASK_S: Final = 0.1  # how often a wait that may be given up looks whether it is

log = logging.getLogger("sensorml")


class Device:
    """One accelerator: its models are opened together, in one process.

    Another process that opened it would reset it under the first one, and a
    model that is opened in a process at work would stop the others for
    seconds.
    """

    def __init__(
        self,
        name: str,
        options: dict[str, str],
        look: Callable[[], Sight],
        *,
        cure: str,
        reset: Callable[[str], str | None] = usbreset.reset,
    ) -> None:
        """Prepare; nothing is opened.

        Args:
            name: the delegate's.
            options: for its library.
            look: climbs the ladder anew; called before every opening.
            cure: how a person gets a library that works.
            reset: resets a USB device that hangs, by its node.
        """
        self.name = name
        self._options = options
        self._look = look
        self._cure = cure
        self._reset = reset
        self._lock = threading.Lock()  # held for as long as an opening takes
        self._files: dict[int, ModelFile] = {}
        self._child: SharedChild | None = None
        self._openings = 0
        self._failure: tuple[str, str] | None = None

    def add(self, file: ModelFile) -> Place:
        """Let a verified model have a place; before any is opened."""
        number = len(self._files)
        self._files[number] = file
        return Place(self, number)

    def drop(self, number: int) -> None:
        """Leave a model out of the next opening."""
        del self._files[number]

    def open(self, number: int, cancel: threading.Event) -> ChildEngine:
        """Return an engine for one of the models; opens all if none is open.

        Raises:
            DelegateError: it cannot be opened now, or was given up.
        """
        openings = self._openings
        while not self._lock.acquire(timeout=_ASK_S):
            if cancel.is_set():
                raise DelegateError(f"{self.name}: its opening was given up")
        try:
            if self._openings != openings and self._failure:
                # Another model has just tried while this one waited.
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
            self._failure = err.why, err.cure
            raise
        else:
            self._failure = None
        finally:
            self._openings += 1
        engine = self._child.engine(number)
        if engine is None:
            why = f"{self.name}: it ended as soon as it was open"
            raise DelegateError(why, f"see what it printed, or {self._cure}")
        return engine

    def _accelerator(self) -> Accelerator:
        """Say what to open, if nothing speaks against it."""
        verdict, path, _ = self._look()
        if verdict.why_not is not None:
            raise DelegateError(f"{self.name}: {verdict.why_not}", verdict.cure)
        if verdict.library is None:
            raise DelegateError(f"{self.name}: it has no library", "choose another")
        return Accelerator(self.name, verdict.library, self._options, self._cure, path)

    def _revive(self, cancel: threading.Event) -> None:
        """Reset the stick that hung, unless another process has it by now."""
        verdict, _, node = self._look()
        if not node or not verdict.usable:
            return
        why = self._reset(node)
        log.info("%s", why or f"{self.name}: {node} was reset")
        if why is None:
            cancel.wait(SETTLE_S)


class Place(NamedTuple):
    """A model's place on a device."""

    device: Device
    number: int

    @property
    def name(self) -> str:
        return self.device.name

    def open(self, cancel: threading.Event) -> ChildEngine:
        """Open it; raises DelegateError as `Device.open` does."""
        return self.device.open(self.number, cancel)

    def drop(self) -> None:
        """Give it up."""
        self.device.drop(self.number)

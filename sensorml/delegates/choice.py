"""The choice of an engine for a model, as the configuration's `delegate` asks.

The modules for accelerators are imported only where one may be used, so that a
start on the CPU stays fast.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sensorml.inference.tflite import TfliteEngine
from sensorml.interfaces import Engine
from sensorml.pipeline.model_card import CPU_FILE, Card
from sensorml.resources import folders

if TYPE_CHECKING:
    from sensorml.delegates.accelerators import Accelerators
    from sensorml.delegates.descriptor import Delegate
    from sensorml.delegates.qualification import ModelRequest, Qualification
    from sensorml.hardware.facts import Facts

ReportDelegate = Callable[[str, str, str, str], None]
"""Called with a model's name, its delegate's new state, the previous one, and why."""


def open_engine(folder: Path, card: Card, *, delegate: str = "auto") -> Engine:
    """Load a model for recordings on this delegate; "auto" is the CPU.

    Raises:
        ModelError: the file was refused.
        DelegateError: the delegate cannot run it.
    """
    engines = Engines(lambda _model, _state, _previous, _why: None)
    cpu = TfliteEngine.load(folder / CPU_FILE, card)
    if delegate in {"auto", "cpu"}:
        return cpu
    request = engines.request(folder, card, cpu, card.name)
    return engines.accelerators.open_alone(request, delegate)


class Engines:
    """The engines of a service; those on one accelerator share its process."""

    def __init__(self, report: ReportDelegate, root: Path = Path("/")) -> None:
        """Prepare; nothing is read or opened yet.

        Args:
            report: called when a delegate is opened, lost or refused; on any thread.
            root: where /proc, /sys and /dev are read.
        """
        self._report = report
        self._root = root

    def open(
        self,
        folder: Path,
        card: Card,
        *,
        model: str,
        delegate: str = "auto",
        device: str | None = None,
        fallback: Literal["cpu"] | None = None,
    ) -> Engine:
        """Load a model; it runs on the CPU until an accelerator agrees with that.

        Args:
            folder: the model's.
            card: the model's.
            model: its name in the configuration.
            delegate: "cpu", the name of a file in delegates/, or "auto": the fastest.
            device: one of several, "usb:1".
            fallback: "cpu" to run without a delegate that cannot be used.

        Raises:
            ModelError: the CPU file was refused.
            DelegateError: the delegate cannot be used; with a table of all.
            ConfigError: a file of delegates/ is wrong.
        """
        cpu = TfliteEngine.load(folder / CPU_FILE, card)
        if delegate == "cpu":
            return cpu
        if delegate == "auto" and not self._has_candidate(card):
            return cpu
        request = self.request(folder, card, cpu, model)
        if delegate == "auto":
            usable = self._qualification.usable(request)
            return self.accelerators.open_fastest(request, usable) if usable else cpu
        return self.accelerators.open_named(request, delegate, device, fallback)

    @cached_property
    def accelerators(self) -> Accelerators:
        """The accelerators of this machine, none open yet."""
        from sensorml.delegates import decision_cache
        from sensorml.delegates.accelerators import Accelerators

        cache = decision_cache.Cache(decision_cache.folder())
        return Accelerators(self._qualification, cache)

    @cached_property
    def _qualification(self) -> Qualification:
        from sensorml.delegates.qualification import Qualification

        return Qualification(self._delegates, self._facts)

    @cached_property
    def _delegates(self) -> dict[str, Delegate]:
        from sensorml.delegates.descriptor import delegates

        return delegates(folders("delegates"))

    @cached_property
    def _facts(self) -> Facts:
        from sensorml.hardware.facts import Facts

        return Facts.gather(self._root)

    def _has_candidate(self, card: Card) -> bool:
        from sensorml.delegates.descriptor import candidates

        return any(True for _ in candidates(self._delegates, self._facts, card.files))

    def request(
        self, folder: Path, card: Card, cpu: TfliteEngine, model: str
    ) -> ModelRequest:
        """Return a request for an accelerator for this model."""
        from sensorml.delegates.qualification import ModelRequest
        from sensorml.inference.tflite_file import read

        def report(state: str, previous: str, why: str) -> None:
            self._report(model, state, previous, why)

        return ModelRequest(folder, card, cpu, read(folder / CPU_FILE), report)

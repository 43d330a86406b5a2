"""Choose what a model runs on.

What accelerators need is imported only where one may be used: a start on the
CPU costs what it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sensorml.inference.tflite import TfliteEngine
from sensorml.interfaces import Engine
from sensorml.pipeline import model_card as cards
from sensorml.resources import folders
from sensorml.schema import Json, read_toml

if TYPE_CHECKING:
    from sensorml.delegates.accelerators import Accelerators
    from sensorml.delegates.qualification import Ladder, Wanted

Report = Callable[[str, str, str, str], None]
"""Called with a model's name, the state of its delegate, the one before, and why."""


def open_engine(folder: Path, card: cards.Card, *, delegate: str = "auto") -> Engine:
    """Load a model for recordings: on that delegate, or fail; "auto" is the CPU.

    Raises:
        ModelError: the file was refused.
        DelegateError: the delegate cannot run it.
    """
    engines = Engines(lambda _model, _state, _previous, _why: None)
    cpu = TfliteEngine.load(folder / cards.CPU_FILE, card)
    if delegate in {"auto", "cpu"}:
        return cpu
    with_card = engines.wanted(folder, card, cpu, card.name)
    return engines.accelerators.alone(with_card, delegate)


class Engines:
    """Opens the models of a service; those on one accelerator share its process."""

    def __init__(self, report: Report, root: Path = Path("/")) -> None:
        """Prepare; nothing is looked at yet.

        Args:
            report: hears when a delegate is opened, lost, refused; on any thread.
            root: where the facts of /proc, /sys and /dev are.
        """
        self._report = report
        self._root = root

    def open(
        self,
        folder: Path,
        card: cards.Card,
        *,
        model: str,
        delegate: str = "auto",
        device: str | None = None,
        fallback: Literal["cpu"] | None = None,
    ) -> Engine:
        """Load a model; it runs on the CPU until an accelerator has proved itself.

        Args:
            folder: of the model.
            card: of the model.
            model: its name in the configuration.
            delegate: "cpu", a file of delegates/, or "auto" for the fastest.
            device: which of several, "usb:1".
            fallback: "cpu" to run without a delegate that cannot be used.

        Raises:
            ModelError: the CPU file was refused.
            DelegateError: the delegate cannot be used; with a table of all.
        """
        cpu = TfliteEngine.load(folder / cards.CPU_FILE, card)
        if delegate == "cpu" or (delegate == "auto" and not self._others(card)):
            return cpu
        wanted = self.wanted(folder, card, cpu, model)
        if delegate == "auto":
            usable = self._ladder.usable(wanted)
            return self.accelerators.fastest(wanted, usable) if usable else cpu
        return self.accelerators.named(wanted, delegate, device, fallback)

    @cached_property
    def accelerators(self) -> Accelerators:
        from sensorml.delegates import decision_cache as cache
        from sensorml.delegates.accelerators import Accelerators

        return Accelerators(self._ladder, cache.Cache(cache.folder()))

    @cached_property
    def _ladder(self) -> Ladder:
        from sensorml.delegates.qualification import Ladder

        return Ladder(self._root)

    def _others(self, card: cards.Card) -> bool:
        """Whether a delegate other than the CPU may run a file that the model has.

        A first look, at what costs little: a start need not pay for all the facts
        of the machine to hear a no.
        """
        files = (f for folder in folders("delegates") for f in folder.glob("*.toml"))
        return any(_may_be_tried(read_toml(file), card, self._root) for file in files)

    def wanted(
        self, folder: Path, card: cards.Card, cpu: TfliteEngine, model: str
    ) -> Wanted:
        from sensorml.delegates.qualification import Wanted
        from sensorml.inference.tflite_file import read

        def report(state: str, previous: str, why: str) -> None:
            self._report(model, state, previous, why)

        return Wanted(folder, card, cpu, read(folder / cards.CPU_FILE), report)


def _may_be_tried(delegate: Json, card: cards.Card, root: Path) -> bool:
    """Look at a file of delegates/; what is wrong with it, the ladder says."""
    match, model = delegate.get("match"), delegate.get("model")
    if not isinstance(match, dict) or not isinstance(model, dict):
        return True
    if "library" not in delegate or not delegate.get("auto", True):
        return False
    nodes, boards = match.get("node"), match.get("dt_compatible")
    if nodes and not any((root / str(node).lstrip("/")).exists() for node in nodes):
        return False
    if boards and not set(boards) & _compatible(root):
        return False
    return model.get("file") in card.files


def _compatible(root: Path) -> set[str]:
    try:
        text = (root / "proc/device-tree/compatible").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return set()
    return set(text.split("\0"))

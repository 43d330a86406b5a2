"""The accelerators of one service, and the engines that use them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from sensorml.delegates import numbering as selection
from sensorml.delegates.auto import Contest
from sensorml.delegates.checks import Verdict
from sensorml.delegates.decision_cache import Cache
from sensorml.delegates.device import Device, Place
from sensorml.delegates.failover import FailoverEngine, Opened, Opening
from sensorml.delegates.qualification import Ladder, Usable, Wanted
from sensorml.delegates.tolerance import Tolerance
from sensorml.errors import DelegateError
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import ModelFile
from sensorml.interfaces import Engine
from sensorml.pipeline.model_card import CPU_FILE


class Accelerators:
    """Devices, each with the models that live on it."""

    def __init__(self, ladder: Ladder, cache: Cache) -> None:
        self._ladder = ladder
        self._cache = cache
        self._devices: dict[tuple[str, str], Device] = {}

    def named(
        self,
        wanted: Wanted,
        name: str,
        device: str | None,
        fallback: Literal["cpu"] | None,
    ) -> Engine:
        """Return an engine that runs on this delegate, and on the CPU meanwhile.

        Raises:
            DelegateError: it cannot be used and there is no fallback; with a
                table of all delegates.
        """
        verdict, file = self._ladder.judge(wanted, name, device)
        if verdict.why_not is None and file is not None:
            return _failover(wanted, _first(self._place(verdict, file)))
        if fallback is None:
            raise DelegateError(self._ladder.refusal(wanted, name, device))
        why = f"{name}: {verdict.why_not}: {verdict.cure}"
        if file is None:  # nothing that is plugged in later can mend that
            wanted.cpu.degraded, wanted.cpu.why = True, why
            wanted.report("refused", "", why)
            return wanted.cpu
        place = self._place(verdict, file)
        return _failover(wanted, _first(place), refused=why)

    def alone(self, wanted: Wanted, name: str) -> Engine:
        """Return an engine on this delegate and on nothing else, open.

        Raises:
            DelegateError: it cannot be used, or does not open.
        """
        verdict, file = self._ladder.judge(wanted, name)
        if verdict.why_not is not None or file is None:
            raise DelegateError(self._ladder.refusal(wanted, name, None))
        return self._place(verdict, file).open(threading.Event())

    def fastest(self, wanted: Wanted, usable: Mapping[str, Usable]) -> Engine:
        """Return an engine that finds out in the background what is fastest.

        `usable` is what the ladder found, n >= 1.
        """
        key = self._key(wanted, usable)
        known = self._cache.get(key)
        if known is not None and known.winner == "cpu":
            wanted.report("cpu", "", f"{known.said()}, as measured earlier")
            return wanted.cpu
        if known is not None and known.winner in usable:
            place = self._place(*usable[known.winner])
            return _failover(wanted, _first(place))
        contest = Contest(
            [self._place(verdict, file) for verdict, file in usable.values()],
            partial(TfliteEngine.load, wanted.folder / CPU_FILE, wanted.card),
            tolerance=Tolerance.of(wanted.cpu_file.outputs[0]),
            remember=partial(self._cache.put, key),
        )
        return _failover(wanted, contest, better=False)

    def _place(self, verdict: Verdict, file: ModelFile) -> Place:
        """Return a place on the device that was judged.

        A model that names no device keeps the one that was free at the start, so
        that it is never in the way of a model that names another.
        """
        delegate = self._ladder.delegates[verdict.delegate]
        library = delegate.library
        device = selection.spelled(delegate, verdict.device)
        key = delegate.name, device
        if key not in self._devices:
            options = dict(library.options) if library else {}
            if device:
                options["device"] = device
            look = partial(self._ladder.look, delegate.name, device or None)
            cure = library.cure if library else ""
            self._devices[key] = Device(delegate.name, options, look, cure=cure)
        return self._devices[key].add(file)

    def _key(self, wanted: Wanted, usable: Mapping[str, Usable]) -> str:
        """Return a digest of everything that a measured time depends on."""
        facts = self._ladder.facts
        sources: list[object] = [facts.kernel, facts.model, self._ladder.runtime]
        sources += [wanted.card.files, sorted(usable)]
        for name in sorted(usable):
            delegate, verdict = self._ladder.delegates[name], usable[name].verdict
            assert delegate.library is not None  # noqa: S101 - it is usable
            assert verdict.library is not None  # noqa: S101 - it is usable
            found = Path(verdict.library).stat()
            sources += [verdict.library, found.st_mtime_ns, found.st_size]
            sources.append(sorted(delegate.library.options.items()))
            # A stick has another id before its firmware is loaded.
            sticks = selection.sticks(facts, delegate)
            sources += [(stick.port, stick.speed_mbps) for stick in sticks]
            sources += [chip.name for chip in selection.chips(facts, delegate)]
        return hashlib.sha256(msgspec.json.encode(sources)).hexdigest()


def _first(place: Place) -> Opening:
    return lambda _windows, cancel: Opened(place.open(cancel))


def _failover(
    wanted: Wanted, opening: Opening, *, refused: str = "", better: bool = True
) -> FailoverEngine:
    return FailoverEngine(
        wanted.cpu,
        opening,
        tolerance=Tolerance.of(wanted.cpu_file.outputs[0]),
        hop_s=wanted.card.input.hop / wanted.card.input.rate_hz,
        report=wanted.report,
        refused=refused,
        wanted=better,
    )

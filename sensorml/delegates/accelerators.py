"""The accelerators of one service, and the engines that use them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from sensorml.delegates import numbering
from sensorml.delegates.auto import AutoSelection
from sensorml.delegates.checks import Verdict
from sensorml.delegates.decision_cache import Cache
from sensorml.delegates.device import AcceleratorDevice, ModelSlot
from sensorml.delegates.failover import FailoverEngine, Opened, Opening
from sensorml.delegates.qualification import ModelRequest, Qualification, Usable
from sensorml.delegates.tolerance import Tolerance
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import ModelFile
from sensorml.interfaces import Engine
from sensorml.pipeline.model_card import CPU_FILE


class Accelerators:
    """The devices in use, each with its models."""

    def __init__(self, qualification: Qualification, cache: Cache) -> None:
        self._qualification = qualification
        self._cache = cache
        self._devices: dict[tuple[str, str], AcceleratorDevice] = {}

    def open_named(
        self,
        request: ModelRequest,
        name: str,
        device: str | None,
        fallback: Literal["cpu"] | None,
    ) -> Engine:
        """Return an engine on this delegate, and on the CPU while that fails.

        Raises:
            DelegateError: it cannot be used and there is no fallback; with a
                table of all delegates.
        """
        verdict, file = self._qualification.judge(request, name, device)
        if verdict.usable and file is not None:
            return _failover(request, _open(self._slot(verdict, file)))
        if fallback is None:
            raise self._qualification.refusal(request, name, device)
        why = f"{name}: {verdict.reason}"
        if file is None:  # no device that is plugged in later changes that
            request.cpu.degraded, request.cpu.why = True, why
            request.report("refused", "", why)
            return request.cpu
        slot = self._slot(verdict, file)
        return _failover(request, _open(slot), refused=why)

    def open_alone(self, request: ModelRequest, name: str) -> Engine:
        """Open this delegate and return its engine, without the CPU beside it.

        Raises:
            DelegateError: it cannot be used, or does not open.
        """
        verdict, file = self._qualification.judge(request, name)
        if not verdict.usable or file is None:
            raise self._qualification.refusal(request, name, None)
        return self._slot(verdict, file).open(threading.Event())

    def open_fastest(
        self, request: ModelRequest, usable: Mapping[str, Usable]
    ) -> Engine:
        """Return an engine that measures in the background what is fastest.

        `usable` are the qualified delegates, at least one.
        """
        key = self._key(request, usable)
        decision = self._cache.get(key)
        if decision is not None and decision.winner == "cpu":
            request.report("cpu", "", f"{decision}, as measured earlier")
            return request.cpu
        if decision is not None and decision.winner in usable:
            slot = self._slot(*usable[decision.winner])
            return _failover(request, _open(slot))
        selection = AutoSelection(
            [self._slot(verdict, file) for verdict, file in usable.values()],
            partial(TfliteEngine.load, request.folder / CPU_FILE, request.card),
            tolerance=Tolerance.of(request.cpu_file.outputs[0]),
            remember=partial(self._cache.put, key),
        )
        return _failover(request, selection, required=False)

    def _slot(self, verdict: Verdict, file: ModelFile) -> ModelSlot:
        """Return a slot for a model on the device that was checked.

        A model that names no device keeps the one that was free at the start, so
        that it never takes the device that another model names.
        """
        delegate = self._qualification.delegates[verdict.delegate]
        library = delegate.library
        device = numbering.device_option(delegate, verdict.device)
        key = delegate.name, device
        if key not in self._devices:
            options = dict(library.options) if library else {}
            if device:
                options["device"] = device
            self._devices[key] = AcceleratorDevice(
                delegate.name,
                options,
                partial(self._qualification.examine, delegate.name, device or None),
                cure=library.cure if library else "",
            )
        return self._devices[key].add(file)

    def _key(self, request: ModelRequest, usable: Mapping[str, Usable]) -> str:
        """Return a digest of everything that a measured latency depends on."""
        facts, runtime = self._qualification.facts, self._qualification.runtime
        sources: list[object] = [facts.kernel, facts.model, runtime]
        sources += [request.card.files, sorted(usable)]
        for name in sorted(usable):
            delegate = self._qualification.delegates[name]
            library = usable[name].verdict.library
            assert delegate.library is not None  # noqa: S101 - it is usable
            assert library is not None  # noqa: S101 - it is usable
            status = Path(library).stat()
            sources += [library, status.st_mtime_ns, status.st_size]
            sources.append(sorted(delegate.library.options.items()))
            # The port and not the id, which changes when the firmware is loaded.
            sticks = numbering.sticks(facts, delegate)
            sources += [(stick.port, stick.speed_mbps) for stick in sticks]
            sources += [chip.name for chip in numbering.chips(facts, delegate)]
        return hashlib.sha256(msgspec.json.encode(sources)).hexdigest()


def _open(slot: ModelSlot) -> Opening:
    return lambda _windows, cancel: Opened(slot.open(cancel))


def _failover(
    request: ModelRequest, opening: Opening, *, refused: str = "", required: bool = True
) -> FailoverEngine:
    return FailoverEngine(
        request.cpu,
        opening,
        tolerance=Tolerance.of(request.cpu_file.outputs[0]),
        hop_s=request.card.input.hop / request.card.input.rate_hz,
        report=request.report,
        refused=refused,
        required=required,
    )

"""A run of the service under random faults: what was injected and what it wrote."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from adapter import plugged, wait_for
from faults import FAULTS, LONG_PAUSE, OUTAGES, Fault, hang
from rig import SHARED_BUS, Rig, Slot, all_slots

from sensorml.clock import WallClock
from sensorml.pipeline.model_files import sha256
from sensorml.storage.reader import Reader
from sensorml.storage.tables import COLUMNS
from sensorml.training.tflite_writer import Dense, float_model
from sensorml.types import SensorState

FROZEN_ROWS = 8
OK_AFTER_S = {
    SensorState.ABSENT: 0.2,  # its first samples must be judged
    SensorState.FROZEN: 0.5,  # a window must hold new samples only
    SensorState.OVERRUN: 1.2,  # a second must pass without another overrun
}
"""The time from a sample taken after a fault to the state `ok`."""
REPORTED_AT_ONCE = 3
"""Faults of one sensor, of two or three events each, that are all reported at once;
after them the journal has at most one change of state a minute."""
LONGEST_WAIT_S = 30.0
"""The longest wait for the next attempt after a long outage."""

CARD = """
name = "checksum"
version = "1"
kind = "regression"
[input]
channels = ["x", "y", "z"]
unit = "g"
rate_hz = {rate_hz}.0
window = {window}
hop = {window}
frozen_rows = {frozen_rows}
[features]
kind = "raw"
remove_dc = false
[threshold]
value = 1e9
[files]
"model.tflite" = "{sha256}"
"""


class Injection(NamedTuple):
    """One fault that was injected."""

    fault: Fault
    slot: Slot
    begun_ns: int
    ended_ns: int
    settled_ns: int
    """The time at which all sensors should be `ok` again."""
    waited_s: float
    """The time that its bus waited for a chip that hung."""
    affected: tuple[Slot, ...]
    """The slots that it affects and whose sensors must report it."""

    @property
    def hangs(self) -> bool:
        return self.fault.begin is hang

    @property
    def last_state(self) -> SensorState:
        return self.fault.states[-1]

    def affects(self, other: Slot) -> bool:
        return self.fault.affects(self.slot, other)


class FaultRun(NamedTuple):
    """A run that has ended; its times are monotonic."""

    rig: Rig
    injections: list[Injection]
    status: int
    log: str
    journal: dict[str, list[dict]]
    weights: dict[str, np.ndarray]
    """The weights of each slot's model, a checksum, by the slot's name."""

    def rows(self, kind: str, slot: Slot) -> list[dict]:
        """Return the rows of one kind about one sensor, in order."""
        name = {"event": "subject"}.get(kind, "sensor")
        return [row for row in self.journal[kind] if row[name] == slot.name]


def run_with_faults(folder: Path, times: int, seed: int) -> FaultRun:
    """Inject every fault `times` times and every outage once, in a random order."""
    rig = Rig(seed, all_slots())
    return run_service(rig, folder, lambda: list(_inject_all(rig, times)))


def run_service(
    rig: Rig, folder: Path, inject: Callable[[], list[Injection]]
) -> FaultRun:
    """Run the service on a rig, inject faults meanwhile, and read its journal."""
    weights = {slot.name: _write_model(folder / slot.name, slot) for slot in rig.fast}
    config, journal, log = folder / "config.toml", folder / "journal.db", folder / "log"
    config.write_text(_configuration(rig))
    command = [sys.executable, "-m", "sensorml", "run", config, "--store", journal]
    with plugged(*rig.buses.values()), log.open("wb") as errors:
        rig.service = subprocess.Popen(command, stderr=errors)
        try:
            wait_for(lambda: all(slot.truth.last_ns for slot in rig.fast), 60)
            time.sleep(2.0)
            injections = inject()
            time.sleep(3.0)
        finally:
            rig.service.send_signal(signal.SIGTERM)
            status = rig.service.wait(20)
    return FaultRun(rig, injections, status, log.read_text(), _read(journal), weights)


def _write_model(folder: Path, slot: Slot) -> np.ndarray:
    """Write a model whose score is a checksum, which shows any wrong sample.

    Returns:
        The weight of every sample, (window, 3).
    """
    folder.mkdir()
    random = np.random.default_rng(slot.window)
    weights = random.uniform(-1, 1, (1, 3 * slot.window)).astype(np.float32)
    model = folder / "model.tflite"
    model.write_bytes(
        float_model([Dense(weights, np.zeros(1, np.float32), relu=False)])
    )
    card = CARD.format(
        rate_hz=slot.rate_hz,
        window=slot.window,
        frozen_rows=FROZEN_ROWS,
        sha256=sha256(model),
    )
    (folder / "model.toml").write_text(card)
    return weights.reshape(-1, 3).astype(np.float64)


def _configuration(rig: Rig) -> str:
    tables = []
    for slot in rig.slots:
        tables.append(
            f'[[sensor]]\nname = "{slot.name}"\ndriver = "{slot.driver}"\n'
            f"bus = {slot.bus}\nrate_hz = {slot.rate_hz}\n"
        )
        if slot in rig.fast:
            tables[-1] += "range_g = 2\n"
            tables.append(
                f'[[model]]\nname = "{slot.name}"\npath = "{slot.name}"\n'
                f'sensor = "{slot.name}"\ndelegate = "cpu"\n'
            )
    return "\n".join(tables)


def _inject_all(rig: Rig, times: int) -> Iterator[Injection]:
    order = [(fault, "") for fault in FAULTS * times] + list(OUTAGES)
    rig.random.shuffle(order)
    by_name = {slot.name: slot for slot in rig.slots}
    count: Counter[Slot] = Counter()
    after_outage = False
    for fault, name in order:
        least = min(count[slot] for slot in rig.fast)
        slot = by_name.get(name) or rig.random.choice(
            [slot for slot in rig.fast if count[slot] == least]
        )
        affected = [other for other in rig.slots if fault.affects(slot, other)]
        full = any(count[other] == REPORTED_AT_ONCE for other in affected)
        # An outage must begin with the first wait of a back-off; it leaves a long one.
        if name or after_outage or full:
            time.sleep(max(slow.period_s for slow in rig.slow))  # until all are read
            yield _inject(rig, LONG_PAUSE, slot, rig.fast)
            count.clear()
        count.update(affected)
        after_outage = bool(name)
        if not name:  # a slow sensor may not be read during a short fault
            affected = [other for other in affected if other in rig.fast]
        yield _inject(rig, fault, slot, affected)


def _inject(rig: Rig, fault: Fault, slot: Slot, affected: list[Slot]) -> Injection:
    assert rig.service is not None
    bus = rig.bus_of(slot)
    time.sleep(rig.random.uniform(0.05, 0.25))
    begun_ns, waited_s = time.monotonic_ns(), bus.waited_s
    fault.begin(rig, slot)
    time.sleep(rig.random.uniform(*fault.lasts_s))
    fault.end(rig, slot)
    ended_ns = time.monotonic_ns()
    wait_for(
        lambda: all(rig.measured_since(other, ended_ns) for other in affected),
        LONGEST_WAIT_S,
    )
    waited_s = bus.waited_s - waited_s
    shared = waited_s and slot.bus == SHARED_BUS
    after_s = OK_AFTER_S[SensorState.OVERRUN if shared else fault.states[-1]]
    # A slow sensor has just been started, and its first row is still to come.
    time.sleep(after_s + max(other.period_s for other in affected))
    assert rig.service.poll() is None, f"the service ended after {fault.name}"
    settled_ns = time.monotonic_ns()
    return Injection(
        fault, slot, begun_ns, ended_ns, settled_ns, waited_s, tuple(affected)
    )


def _read(journal: Path) -> dict[str, list[dict]]:
    """Return all rows by kind, with monotonic times."""
    offset_ns = WallClock().offset_ns
    reader = Reader(journal)
    rows: dict[str, list[dict]] = {}
    for kind in ("prediction", "event", "sensor"):
        rows[kind] = []
        for values in reader.rows(kind, 0, 10**9):
            row = dict(zip(COLUMNS[kind], values[:-1], strict=True))
            for instant in {"start_ns", "end_ns", "time_ns"} & row.keys():
                row[instant] -= offset_ns
            rows[kind].append(row)
    reader.close()
    return rows

"""A whole service while everything goes wrong: what happened, and what it said."""

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
from faults import FAULTS, OUTAGES, STALL, Fault, hang
from rig import SHARED, Bench, Place, everywhere

from sensorml.clock import WallClock
from sensorml.pipeline.model_files import sha256
from sensorml.storage.reader import Reader
from sensorml.storage.tables import COLUMNS
from sensorml.training.tflite_writer import Dense, float_model
from sensorml.types import SensorState

FROZEN_ROWS = 8
AFTER_S = {
    SensorState.ABSENT: 0.2,  # its first samples are judged
    SensorState.FROZEN: 0.5,  # a window is full of others
    SensorState.OVERRUN: 1.2,  # there was no other for a second
}
"""When a sensor is ok again after it has taken a sample."""
TOLD_AT_ONCE = 3
"""Faults of one sensor, two or three events each, that are all told at once; then
the journal hears of changes but once a minute."""
LONGEST_WAIT_S = 30.0
"""Until the next attempt, after a long outage."""

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


class Strike(NamedTuple):
    """One fault that has happened."""

    fault: Fault
    place: Place
    begun_ns: int
    ended_ns: int
    over_ns: int
    """When whatever it does to sensors should be over."""
    waited_s: float
    """How long its bus was held up by a chip that hung."""
    waited_for: tuple[Place, ...]
    """Those that it hit and that cannot have overlooked it, all well again."""

    @property
    def hangs(self) -> bool:
        return self.fault.begin is hang

    @property
    def ends_as(self) -> SensorState:
        return self.fault.states[-1]

    def hits(self, other: Place) -> bool:
        return self.fault.hits(self.place, other)


class Storm(NamedTuple):
    """All that is known when it is over. Times are monotonic."""

    bench: Bench
    strikes: list[Strike]
    status: int
    log: str
    journal: dict[str, list[dict]]
    weights: dict[str, np.ndarray]
    """By place, of the checksum that is its model."""

    def rows(self, kind: str, sensor: Place) -> list[dict]:
        """Return the rows of one kind about one sensor, in order."""
        name = {"event": "subject"}.get(kind, "sensor")
        return [row for row in self.journal[kind] if row[name] == sensor.name]


def rage(folder: Path, times: int, seed: int) -> Storm:
    """Let every fault happen so many times, in a random order, and every outage."""
    bench = Bench(seed, everywhere())
    return witnessed(bench, folder, lambda: list(_strikes(bench, times)))


def witnessed(bench: Bench, folder: Path, happens: Callable[[], list[Strike]]) -> Storm:
    """Run the service on a bench while something happens; return what it said."""
    weights = {p.name: _model(folder / p.name, p) for p in bench.fast}
    config, journal, log = folder / "config.toml", folder / "journal.db", folder / "log"
    config.write_text(_configuration(bench))
    command = [sys.executable, "-m", "sensorml", "run", config, "--store", journal]
    with plugged(*bench.buses.values()), log.open("wb") as errors:
        bench.service = subprocess.Popen(command, stderr=errors)
        try:
            wait_for(lambda: all(place.truth.last_ns for place in bench.fast), 60)
            time.sleep(2.0)
            strikes = happens()
            time.sleep(3.0)
        finally:
            bench.service.send_signal(signal.SIGTERM)
            status = bench.service.wait(20)
    return Storm(bench, strikes, status, log.read_text(), _read(journal), weights)


def _model(folder: Path, place: Place) -> np.ndarray:
    """Write a model that shows any wrong sample: its score is a checksum of all.

    Returns:
        The weight of every sample, (window, 3).
    """
    folder.mkdir()
    chance = np.random.default_rng(place.window)
    weights = chance.uniform(-1, 1, (1, 3 * place.window)).astype(np.float32)
    model = folder / "model.tflite"
    model.write_bytes(
        float_model([Dense(weights, np.zeros(1, np.float32), relu=False)])
    )
    card = CARD.format(
        rate_hz=place.rate_hz,
        window=place.window,
        frozen_rows=FROZEN_ROWS,
        sha256=sha256(model),
    )
    (folder / "model.toml").write_text(card)
    return weights.reshape(-1, 3).astype(np.float64)


def _configuration(bench: Bench) -> str:
    tables = []
    for place in bench.places:
        tables.append(
            f'[[sensor]]\nname = "{place.name}"\ndriver = "{place.driver}"\n'
            f"bus = {place.bus}\nrate_hz = {place.rate_hz}\n"
        )
        if place in bench.fast:
            tables[-1] += "range_g = 2\n"
            tables.append(
                f'[[model]]\nname = "{place.name}"\npath = "{place.name}"\n'
                f'sensor = "{place.name}"\ndelegate = "cpu"\n'
            )
    return "\n".join(tables)


def _strikes(bench: Bench, times: int) -> Iterator[Strike]:
    order = [(fault, "") for fault in FAULTS * times] + list(OUTAGES)
    bench.chance.shuffle(order)
    named = {place.name: place for place in bench.places}
    hit: Counter[Place] = Counter()
    fresh = True
    for fault, name in order:
        least = min(hit[each] for each in bench.fast)
        place = named.get(name) or bench.chance.choice(
            [each for each in bench.fast if hit[each] == least]
        )
        hits = [each for each in bench.places if fault.hits(place, each)]
        # An outage begins with a first wait, and leaves a long one.
        if name or not fresh or any(hit[each] == TOLD_AT_ONCE for each in hits):
            time.sleep(max(each.period_s for each in bench.slow))  # all have seen it
            yield _strike(bench, STALL, place, bench.fast)
            hit.clear()
        hit.update(hits)
        fresh = not name
        if not name:  # a slow sensor may overlook it
            hits = [each for each in hits if each in bench.fast]
        yield _strike(bench, fault, place, hits)


def _strike(bench: Bench, fault: Fault, place: Place, waits: list[Place]) -> Strike:
    assert bench.service is not None
    bus = bench.bus_of(place)
    time.sleep(bench.chance.uniform(0.05, 0.25))
    begun_ns, waited_s = time.monotonic_ns(), bus.waited_s
    fault.begin(bench, place)
    time.sleep(bench.chance.uniform(*fault.lasts_s))
    fault.end(bench, place)
    ended_ns = time.monotonic_ns()
    wait_for(
        lambda: all(bench.seen_since(each, ended_ns) for each in waits),
        LONGEST_WAIT_S,
    )
    waited_s = bus.waited_s - waited_s
    shared = waited_s and place.bus == SHARED
    after_s = AFTER_S[SensorState.OVERRUN if shared else fault.states[-1]]
    # A slow sensor has just been started, and its first row is still to come.
    time.sleep(after_s + max(each.period_s for each in waits))
    assert bench.service.poll() is None, f"the service ended after {fault.name}"
    over_ns = time.monotonic_ns()
    return Strike(fault, place, begun_ns, ended_ns, over_ns, waited_s, tuple(waits))


def _read(journal: Path) -> dict[str, list[dict]]:
    """Return all rows by kind, as they are but for their times."""
    offset_ns = WallClock().offset_ns
    reader = Reader(journal)
    found: dict[str, list[dict]] = {}
    for kind in ("prediction", "event", "sensor"):
        found[kind] = []
        for _, row in reader.read(kind, 0, 10**9):
            named = dict(zip(COLUMNS[kind], row, strict=True))
            for instant in {"start_ns", "end_ns", "time_ns"} & named.keys():
                named[instant] -= offset_ns
            found[kind].append(named)
    reader.close()
    return found

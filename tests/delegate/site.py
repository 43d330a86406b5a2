"""A folder with a configuration, models for CPU and accelerator, and a delegate."""

from __future__ import annotations

import itertools
import json
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
from delegate import pair
from processes import sensorml
from support import CARD_TEXT

from sensorml.pipeline.model_card import CPU_FILE, EDGETPU_FILE
from sensorml.pipeline.model_files import sha256
from sensorml.recordings import write_npz

RATE_HZ = 800
WINDOW = 16
CARD = (
    CARD_TEXT.replace("rate_hz = 1000.0", f"rate_hz = {RATE_HZ}.0")
    .replace("window = 4", f"window = {WINDOW}")
    .replace("hop = 2", f"hop = {WINDOW}")
)
DELEGATE = """
title = "A library for tests"
tried = false
[match]
{match}
[library]
names = ["libdelegate.so"]
options = {{ {options} }}
cure = "build it"
[model]
file = "model_edgetpu.tflite"
dtypes = ["int8"]
"""


class Site:
    """A folder with a configuration, models for CPU and accelerator, and a delegate."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.folder = folder
        self.environ = {
            "CONFIGURATION_DIRECTORY": str(folder / "etc"),
            "CACHE_DIRECTORY": str(folder / "cache"),
            "LD_LIBRARY_PATH": str(library.parent),
        }
        t_s = np.arange(60 * RATE_HZ) / RATE_HZ
        samples = np.random.default_rng(1).standard_normal(len(t_s)) / 4
        write_npz(
            folder / "healthy.npz",
            samples=samples.astype(np.float32)[:, None],
            rate_hz=RATE_HZ,
            channels=["x"],
            unit="g",
            start_ns=1_700_000_000_000_000_000,
        )

    def delegate(self, match: str = "always = true", **options: str) -> None:
        table = ", ".join(f'{key} = "{value}"' for key, value in options.items())
        path = self.folder / "etc" / "delegates" / "stick.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DELEGATE.format(match=match, options=table))

    def model(
        self, name: str = "m", keys: str = 'delegate = "stick"', hop: int = WINDOW
    ) -> str:
        folder = self.folder / name
        folder.mkdir()
        (folder / CPU_FILE).write_bytes(pair.cpu_model(WINDOW))
        (folder / EDGETPU_FILE).write_bytes(pair.compiled_model(WINDOW))
        card = CARD.replace("{sha256}", sha256(folder / CPU_FILE))
        card = card.replace(f"hop = {WINDOW}", f"hop = {hop}")
        card += f'"{EDGETPU_FILE}" = "{sha256(folder / EDGETPU_FILE)}"\n'
        (folder / "model.toml").write_text(card)
        table = f'name = "{name}"\npath = "{name}"\nsensor = "motor"\n{keys}\n'
        return "[[model]]\n" + table

    def config(self, *models: str, pace: str = "real") -> Path:
        path = self.folder / "plant.toml"
        path.write_text(
            f"""
            device = "plant"
            [[sensor]]
            name = "motor"
            driver = "file"
            path = "healthy.npz"
            pace = "{pace}"
            [store]
            path = "journal.db"
            timing_s = 1
            """
            + "\n".join(models)
        )
        return path

    def rows(self, kind: str) -> list[dict[str, object]]:
        store = self.folder / "journal.db"
        export = sensorml(
            "export", "--store", store, "--kind", kind, "--format", "jsonl"
        )
        assert export.returncode == 0, export.stderr
        return [json.loads(line) for line in export.stdout.splitlines()]

    def runs(self, model: str = "m") -> list[tuple[object, object]]:
        """Return the delegates of a model's windows in order, and whether degraded."""
        windows = [r for r in self.rows("predictions") if r["model"] == model]
        period_ns = WINDOW / RATE_HZ * 1e9
        steps = [b["start_ns"] - a["start_ns"] for a, b in itertools.pairwise(windows)]
        # The wall clock may step by a microsecond.
        assert {round(step / period_ns, 2) for step in steps} == {1.0}
        used = [(row["delegate"], row["degraded"]) for row in windows]
        return [delegate for delegate, _ in itertools.groupby(used)]

    def states(self, model: str = "m") -> list[object]:
        return [
            row["state"]
            for row in self.rows("events")
            if (row["event"], row["subject"]) == ("delegate", model)
        ]


def children(process) -> list[int]:
    """Return the child processes of the service, which run its accelerators."""
    return [
        int(child)
        for task in Path(f"/proc/{process.pid}/task").glob("*")
        for child in (task / "children").read_text().split()
    ]


def wait_for_rows(site: Site, delegate: str, models: int = 1) -> None:
    """Wait until the journal has windows of every model on a delegate."""
    query = "SELECT count(DISTINCT model) FROM prediction WHERE delegate = ?"
    while True:
        with suppress(sqlite3.OperationalError):  # while the journal is created
            address = f"file:{site.folder}/journal.db?mode=ro"
            with closing(sqlite3.connect(address, uri=True)) as journal:
                [(count,)] = journal.execute(query, (delegate,))
                if count == models:
                    return

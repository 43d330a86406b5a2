"""All figures that sensorml promises, in two tables: `make bench`.

`make bench ARGS="--quick child stall"` measures the named ones only, with fewer rounds
of the slow ones.
"""

from __future__ import annotations

import compileall
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.figures import Figure, Observation, markdown, table

RATIOS = ("score", "live", "process", "rows_to_influxdb", "bus", "probe", "npz")
OBSERVED = ("service", "busy", "child", "failover", "stall", "record")
QUICK = {
    "busy": {"seconds": 20},
    "failover": {"seconds": 20},
    "stall": {"rounds": 2},
    "record": {"seconds": 600},
}


def main() -> None:
    quick = "--quick" in sys.argv
    named = [part for part in sys.argv[1:] if part != "--quick"]
    parts = named or [*RATIOS, *OBSERVED]
    # As pip does on installation; otherwise a start would include compiling.
    compileall.compile_dir(Path(__file__).parent.parent / "sensorml", quiet=1)
    figures: list[Figure] = []
    for part in (part for part in parts if part in RATIOS):
        with working_folder(part) as folder:
            figures += import_module(f"bench.{part}").measure(folder)
    if figures:
        print(table(figures))
    observed: list[Observation] = []
    for part in (part for part in parts if part in OBSERVED):
        shorter = QUICK.get(part, {}) if quick else {}
        with working_folder(part) as folder:
            observed += import_module(f"bench.{part}").observe(folder, **shorter)
    if observed:
        print()
        print(markdown(["figure", "measured", "how"], observed))


@contextmanager
def working_folder(part: str) -> Iterator[Path]:
    print(f"measuring {part} …", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="sensorml-bench-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    main()

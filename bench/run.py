"""All figures that sensorml promises, in one table: `make bench`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.figures import Figure, markdown, table
from bench.service import observe

RATIOS = ("score", "live", "process", "rows_to_influxdb", "bus")


def main() -> None:
    wanted = sys.argv[1:] or (*RATIOS, "service")
    figures: list[Figure] = []
    for part in (part for part in wanted if part in RATIOS):
        with working(part) as folder:
            figures += import_module(f"bench.{part}").measure(folder)
    if figures:
        print(table(figures))
    if "service" in wanted:
        with working("service") as folder:
            observed = observe(folder)
        print()
        print(markdown(["figure", "measured", "how"], observed))


@contextmanager
def working(part: str) -> Iterator[Path]:
    print(f"measuring {part} …", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="sensorml-bench-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    main()

"""All figures that sensorml promises, in one table: `make bench`."""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.figures import Figure, table

PARTS = ("score", "live", "process", "rows_to_influxdb")


def main() -> None:
    wanted = sys.argv[1:] or PARTS
    figures: list[Figure] = []
    for part in wanted:
        print(f"measuring {part} …", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="sensorml-bench-") as folder:
            figures += import_module(f"bench.{part}").measure(Path(folder))
    print(table(figures))


if __name__ == "__main__":
    main()

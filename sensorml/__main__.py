"""The program `python -m sensorml`, the same as `sensorml`."""

from __future__ import annotations

import sys

from sensorml.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m sensorml` is `sensorml`."""

from __future__ import annotations

import sys

from sensorml.cli import main

if __name__ == "__main__":
    sys.exit(main())

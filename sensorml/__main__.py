"""`python -m sensorml` is `sensorml`."""

import sys

from sensorml.cli import main

if __name__ == "__main__":
    sys.exit(main())

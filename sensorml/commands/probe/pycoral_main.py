"""List the Edge TPUs that Google's pycoral sees; a script, for `outside.ask`."""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> int:
    try:
        edgetpu = import_module("pycoral.utils.edgetpu")
    except ImportError as err:
        sys.stderr.write(f"{err}\n")
        return 1
    for found in edgetpu.list_edge_tpus():
        sys.stdout.write(f"{found['type']} {found['path']}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Load a library and say which version it is; a script, for `outside.ask`.

`python library_main.py PATH` prints what `edgetpu_version` returns, which is
libedgetpu's alone, and nothing for another library. Source: libedgetpu,
tflite/public/edgetpu_c.h.
"""

from __future__ import annotations

import ctypes
import sys


def main() -> int:
    try:
        library = ctypes.CDLL(sys.argv[1])
    except OSError as err:
        sys.stderr.write(f"{err}\n")
        return 1
    try:
        version = library.edgetpu_version
    except AttributeError:
        return 0
    version.restype = ctypes.c_char_p
    sys.stdout.write((version() or b"").decode(errors="replace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())

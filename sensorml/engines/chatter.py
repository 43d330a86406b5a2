"""What a C library prints, which Python's sys.stderr does not see."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_stderr = threading.Lock()


@contextmanager
def without(prefix: bytes) -> Iterator[None]:
    """Keep lines that begin so off stderr (descriptor 2).

    Other lines, of any thread, are passed on afterwards.
    """
    with _stderr:
        try:
            real = os.dup(2)
        except OSError:  # a service may have no stderr
            yield
            return
        with os.fdopen(os.memfd_create("stderr"), "w+b") as caught:
            os.dup2(caught.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(real, 2)
                os.close(real)
                caught.seek(0)
                for line in caught:
                    if not line.startswith(prefix):
                        os.write(2, line)

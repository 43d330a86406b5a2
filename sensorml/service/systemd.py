"""What the service tells systemd: sd_notify(3) and sd_watchdog_enabled(3).

One datagram a message to the socket that $NOTIFY_SOCKET names. Without the
variable, that is without systemd, nothing is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class Notifier:
    """Tells systemd how the service is.

    A message that systemd does not take is dropped: it must never stop the
    service, and the watchdog is the judge of one that falls silent.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        self.watchdog_interval_s = _watchdog_s(environ)
        """systemd restarts the service after so long without `watchdog()`: call
        it at least twice as often. None: no watchdog."""

    def ready(self, status: str) -> None:
        """Say that the service has started, and what it does."""
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """Change the line that `systemctl status` shows."""
        self._send(_status(text))

    def watchdog(self) -> None:
        """Say that the threads turn. Call it for no other reason."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the service is about to end."""
        self._send("STOPPING=1")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *fields: str) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.sendto("\n".join(fields).encode(), self._address)


def _status(text: str) -> str:
    r"""Put a text on one line: a second one would be another field.

    >>> _status("motor: ok\nREADY=0")
    'STATUS=motor: ok READY=0'
    """
    return "STATUS=" + " ".join(text.split())


def _address(name: str) -> str:
    r"""Turn $NOTIFY_SOCKET into what `sendto` takes; "@" means an abstract one.

    >>> _address("@/org/freedesktop/systemd1/notify")[0]
    '\x00'
    """
    return "\0" + name[1:] if name.startswith("@") else name


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Return the watchdog's time-out, if there is one and it is for this process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    usec = environ.get("WATCHDOG_USEC", "")
    return int(usec) / 1e6 if usec.isdigit() and int(usec) > 0 else None

"""Notifications of systemd, by sd_notify(3).

Each message is one datagram to the socket that $NOTIFY_SOCKET names. Without the
variable, that is without systemd, nothing is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class Notifier:
    """Sends the status of the service to systemd.

    A message that systemd does not take is dropped, because it must not stop the
    service; if no more messages arrive, systemd's watchdog restarts the service.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    def ready(self, status: str) -> None:
        """Report that the service has started, and its status."""
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """Report the line that `systemctl status` shows."""
        self._send(_status(text))

    def watchdog(self) -> None:
        """Report that the threads run; call it for no other reason."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Report that the service stops."""
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
    r"""Put a text on one line, because a second line would be another field.

    >>> _status("motor: ok\nREADY=0")
    'STATUS=motor: ok READY=0'
    """
    return "STATUS=" + " ".join(text.split())


def _address(name: str) -> str:
    r"""Return the address in $NOTIFY_SOCKET for `sendto`; "@" means an abstract one.

    >>> _address("@/org/freedesktop/systemd1/notify")[0]
    '\x00'
    """
    return "\0" + name[1:] if name.startswith("@") else name

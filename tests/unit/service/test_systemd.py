"""The notifications of systemd, one by one, on a real socket."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sensorml.service.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket, and its name in systemd's notation."""
    abstract = request.param == "abstract"
    name = f"@sensorml-{uuid.uuid4().hex}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if abstract else name)
        listening.setblocking(False)
        yield listening, name


@pytest.mark.parametrize(
    ("notify", "expected"),
    [
        (lambda n: n.ready("2 sensors"), b"READY=1\nSTATUS=2 sensors"),
        (lambda n: n.status("motor: \u00b5 ok"), "STATUS=motor: µ ok".encode()),
        (lambda n: n.watchdog(), b"WATCHDOG=1"),
        (lambda n: n.stopping(), b"STOPPING=1"),
        (lambda n: n.status("a\nREADY=1\r\nb"), b"STATUS=a READY=1 b"),
    ],
)
def test_each_message_is_one_datagram(
    manager: tuple[socket.socket, str],
    notify: Callable[[Notifier], None],
    expected: bytes,
) -> None:
    listening, name = manager
    with closing(Notifier({"NOTIFY_SOCKET": name})) as notifier:
        notify(notifier)
    assert listening.recv(4096) == expected
    with pytest.raises(BlockingIOError):
        listening.recv(4096)


def test_without_systemd_nothing_is_sent_and_nothing_fails() -> None:
    notifier = Notifier({})
    notifier.ready("up")
    notifier.watchdog()
    notifier.stopping()
    notifier.close()


def test_a_socket_that_was_closed_does_not_stop_the_service(
    manager: tuple[socket.socket, str],
) -> None:
    listening, name = manager
    with closing(Notifier({"NOTIFY_SOCKET": name})) as notifier:
        listening.close()
        notifier.watchdog()
        notifier.close()
        notifier.watchdog()


def test_a_full_socket_does_not_block_the_service(
    manager: tuple[socket.socket, str],
) -> None:
    listening, name = manager
    with closing(Notifier({"NOTIFY_SOCKET": name})) as notifier:
        for _ in range(10_000):
            notifier.watchdog()
    assert listening.recv(4096) == b"WATCHDOG=1"

"""What reaches a real datagram socket in systemd's place."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sensorml.service.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket that listens, and its name as systemd writes it."""
    abstract = request.param == "abstract"
    name = f"@sensorml-{uuid.uuid4().hex}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if abstract else name)
        listening.setblocking(False)
        yield listening, name


@pytest.mark.parametrize(
    ("say", "expected"),
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
    say: Callable[[Notifier], None],
    expected: bytes,
) -> None:
    listening, name = manager
    with closing(Notifier({"NOTIFY_SOCKET": name})) as notifier:
        say(notifier)
    assert listening.recv(4096) == expected
    with pytest.raises(BlockingIOError):
        listening.recv(4096)


def test_without_systemd_nothing_is_sent_and_nothing_fails() -> None:
    notifier = Notifier({})
    notifier.ready("up")
    notifier.watchdog()
    notifier.stopping()
    notifier.close()
    assert notifier.watchdog_interval_s is None


def test_a_manager_that_went_away_does_not_stop_the_service(
    manager: tuple[socket.socket, str],
) -> None:
    listening, name = manager
    with closing(Notifier({"NOTIFY_SOCKET": name})) as notifier:
        listening.close()
        notifier.watchdog()
        notifier.close()
        notifier.watchdog()


def test_a_manager_that_does_not_read_does_not_block_the_service(
    manager: tuple[socket.socket, str],
) -> None:
    listening, name = manager
    with closing(Notifier({"NOTIFY_SOCKET": name})) as notifier:
        for _ in range(10_000):
            notifier.watchdog()
    assert listening.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_the_one_of_this_process(
    environ: dict[str, str], interval_s: float | None
) -> None:
    assert Notifier(environ).watchdog_interval_s == interval_s

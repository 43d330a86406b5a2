"""The control socket, with real sockets."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest

from sensorml.errors import OutputError
from sensorml.service import control, messages
from sensorml.service.control import Answers
from sensorml.service.messages import Answer, Quiet, Record, Refused, Request
from sensorml.threads import Worker


async def ten(_request: Request) -> Answers:
    for _ in range(10):
        yield Quiet()


@asynccontextmanager
async def served(store: Path, respond: control.Respond = ten) -> AsyncIterator[None]:
    with ExitStack() as stack:
        listener = control.listen(store, stack)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(control.serve(listener, respond))
            yield
            task.cancel()


def asked(store: Path, line: bytes = b"") -> list[Answer]:
    """Send a request, and return all answers."""
    client = control.connect(store)
    assert client is not None
    with closing(client):
        client.sendall(line or messages.line(Record(sensor="motor")))
        client.settimeout(30)
        with client.makefile("rb") as lines:
            return [messages.answer(each) for each in lines]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


async def test_a_client_gets_all_answers(store: Path) -> None:
    async with served(store):
        with Worker("client") as client:
            assert await client.call(asked, store) == [Quiet()] * 10


@pytest.mark.parametrize("line", [b"\n", b"GET / HTTP/1.1\r\n", b'{"do":"halt"}\n'])
async def test_a_line_that_is_no_request_is_refused(store: Path, line: bytes) -> None:
    async with served(store):
        with Worker("client") as client:
            (answer,) = await client.call(asked, store, line)
    assert isinstance(answer, Refused)
    assert "does not understand the request" in answer.what


async def test_a_line_without_end_is_not_kept(store: Path) -> None:
    async with served(store):
        with Worker("client") as client:
            endless = b"x" * (1 << 17)
            with pytest.raises((ConnectionError, AssertionError)):
                assert await client.call(asked, store, endless)


async def test_a_client_too_many_is_refused(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "MAX_CLIENTS", 1)
    async with served(store):
        silent = control.connect(store)
        assert silent is not None
        with closing(silent), Worker("client") as client:
            (answer,) = await client.call(asked, store)
    assert isinstance(answer, Refused)
    assert "too many clients" in answer.what


async def test_a_client_that_is_gone_ends_its_answers(store: Path) -> None:
    ended = asyncio.Event()

    async def endless(_request: Request) -> Answers:
        try:
            while True:
                yield Quiet()
        finally:
            ended.set()

    async with served(store, endless):
        client = control.connect(store)
        assert client is not None
        with closing(client):
            client.sendall(messages.line(Record(sensor="motor")))
        async with asyncio.timeout(30):
            await ended.wait()


def test_the_socket_admits_user_and_group_and_goes_with_the_service(
    store: Path,
) -> None:
    with ExitStack() as stack:
        control.listen(store, stack)
        mode = control.path_of(store).stat().st_mode
        assert stat.S_IMODE(mode) == 0o660
    assert not control.path_of(store).exists()


def test_the_socket_of_a_killed_service_is_replaced(store: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as killed:
        killed.bind(str(control.path_of(store)))
    assert control.connect(store) is None
    with ExitStack() as stack:
        control.listen(store, stack)
        client = control.connect(store)
        assert client is not None
        client.close()


def test_the_socket_of_a_running_service_is_left_to_it(store: Path) -> None:
    with ExitStack() as stack:
        control.listen(store, stack)
        with ExitStack() as other, pytest.raises(OutputError, match="in use"):
            control.listen(store, other)
        client = control.connect(store)
        assert client is not None
        client.close()


def test_another_file_of_that_name_is_kept(store: Path) -> None:
    control.path_of(store).write_text("notes")
    with ExitStack() as stack, pytest.raises(OutputError, match="cannot be made"):
        control.listen(store, stack)
    assert control.path_of(store).read_text() == "notes"


def test_a_folder_may_have_a_longer_path_than_a_socket(tmp_path: Path) -> None:
    store = tmp_path / ("f" * 120) / "journal.db"
    with ExitStack() as stack:
        control.listen(store, stack)
        client = control.connect(store)
        assert client is not None
        client.close()


def test_a_name_that_is_too_long_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    with ExitStack() as stack, pytest.raises(OutputError, match="too long"):
        control.listen(tmp_path / ("n" * 120), stack)

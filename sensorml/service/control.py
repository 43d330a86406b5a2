"""The control socket of the running service, a Unix socket beside its journal.

Who may enter the journal's folder and is in the service's group may use it. Each
connection carries one request and its answers (`service.messages`). The event loop
serves them: a client that is slow, silent or gone delays no thread of the service.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, aclosing, closing, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from sensorml.errors import OutputError, ServiceError
from sensorml.service import messages
from sensorml.service.messages import Answer, Refused, Request

MAX_CLIENTS: Final = 16
"""Connections at a time; further ones are refused."""
REQUEST_S: Final = 5.0
"""The time in which a client must send its request."""
MODE: Final = 0o660
"""The permissions of the socket: the service's user and group."""

_NAME_BYTES: Final = 107
"""The longest name of a Unix socket."""

Answers: TypeAlias = AsyncGenerator[Answer, None]
Respond: TypeAlias = Callable[[Request], Answers]
"""Returns the answers to a request; the generator is closed when the client goes."""


def path_of(store: Path) -> Path:
    """Return the path of the socket of the service with that journal."""
    return store.with_name(f"{store.name}.sock")


def listen(store: Path, stack: ExitStack) -> socket.socket:
    """Open the socket; the exit stack closes and removes it.

    The socket of a service that was killed is replaced.

    Raises:
        OutputError: it cannot be made there, or another service answers.
    """
    path = path_of(store)
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_socket():
            _remove_abandoned(path)
        with _short(path) as name:
            listener.bind(name)
        stack.callback(path.unlink, missing_ok=True)
        path.chmod(MODE)  # before `listen`, so that nobody connects earlier
        listener.listen()
    except OSError as err:
        raise OutputError(
            f"{path}: cannot be made ({os.strerror(err.errno or errno.EINVAL)}): "
            "other commands cannot reach this service; put the store on another "
            "file system, or stop the service that uses it"
        ) from err
    listener.setblocking(False)
    return listener


def connect(store: Path) -> socket.socket | None:
    """Return a connection to the service with that journal; None: none runs.

    Raises:
        PermissionError: the socket admits only other users.
    """
    client = socket.socket(socket.AF_UNIX)
    try:
        with _short(path_of(store)) as name:
            client.connect(name)
    except PermissionError:
        client.close()
        raise
    except OSError:
        client.close()
        return None
    return client


def ask(
    client: socket.socket, request: Request, quiet_s: float
) -> Iterator[Answer | None]:
    """Send a request and yield the answers; None after `quiet_s` without one.

    The answers end when the service closes the connection, or ends itself.

    Raises:
        ServiceError: an answer is of another version.
    """
    client.settimeout(quiet_s)
    rest = b""
    try:
        client.sendall(messages.line(request))
        while True:
            try:
                received = client.recv(1 << 16)
            except TimeoutError:
                yield None
                continue
            if not received:
                return
            *lines, rest = (rest + received).split(b"\n")
            for line in lines:
                yield messages.answer(line)
    except ConnectionError:
        return
    except msgspec.DecodeError as err:
        what = f"the running service has sent what this version cannot read ({err})"
        raise ServiceError(what, "use the same version") from err


async def serve(listener: socket.socket, respond: Respond) -> None:
    """Answer every client until cancelled."""
    loop = asyncio.get_running_loop()
    clients: set[socket.socket] = set()

    async def talk(client: socket.socket) -> None:
        busy = len(clients) > MAX_CLIENTS
        try:
            await _talk(client, _too_many if busy else respond)
        finally:
            clients.discard(client)

    async with asyncio.TaskGroup() as group:
        while True:
            client, _ = await loop.sock_accept(listener)
            clients.add(client)
            group.create_task(talk(client), name="control")


async def _talk(client: socket.socket, respond: Respond) -> None:
    """Read the request of one client and write the answers."""
    reader, writer = await asyncio.open_unix_connection(sock=client)
    try:
        async with asyncio.timeout(REQUEST_S):
            text = await reader.readuntil()
        async with aclosing(_answers(text, respond)) as answers:
            async for answer in answers:
                writer.write(messages.line(answer))
                await writer.drain()
        writer.close()
        await writer.wait_closed()
    except (ConnectionError, TimeoutError, EOFError, asyncio.LimitOverrunError):
        pass  # the client is gone, silent, or none of ours
    finally:
        writer.transport.abort()


def _answers(text: bytes, respond: Respond) -> Answers:
    try:
        request = messages.request(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as err:
        cure = "use the same version of sensorml as the service"
        return refuse(f"the service does not understand the request ({err})", cure)
    return respond(request)


def _too_many(_request: Request) -> Answers:
    return refuse("the service has too many clients", "end one of them")


async def refuse(what: str, cure: str) -> Answers:
    """Answer that a request cannot be met."""
    yield Refused(what=what, cure=cure)


def _remove_abandoned(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as client, _short(path) as name:
        try:
            client.connect(name)
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise OSError(errno.EADDRINUSE, "another service answers")


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Return a name for a socket whose path may be longer than _NAME_BYTES.

    Raises:
        OSError: the folder cannot be entered, or the name alone is too long.
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        name = f"/proc/self/fd/{folder}/{path.name}"
        if len(os.fsencode(name)) > _NAME_BYTES:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        yield name
    finally:
        os.close(folder)

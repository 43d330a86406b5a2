"""Files written whole or not at all; small files and secrets read with a limit."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from sensorml.errors import (
    InputError,
    OutputError,
    Reason,
    SecretError,
    SensormlError,
)

MOST_BYTES: Final = 1_000_000
"""Of a file that a person wrote."""
MOST_SECRET_BYTES: Final = 64_000
MOST_SHOWN: Final = 300
"""Characters of a path in a message."""

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY
# Without O_NONBLOCK, the opening of a pipe waits for its other end.
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK

_STANDARD: Final = {"/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR: Final = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})", re.ASCII)

_SECRET: Final = re.compile(r"(?=[^.]*[0-9])[^.]{20,}")
"""A part of a path that is long, with digits and without a dot, is rather a token."""

_UNREADABLE: Final = {
    errno.ENOENT: Reason("no such file", "check the path"),
    errno.ENOTDIR: Reason("no such file", "check the path"),
    errno.ENAMETOOLONG: Reason("no such file, the path is too long", "check the path"),
    errno.ELOOP: Reason("is a link to itself", "check the path"),
    errno.EISDIR: Reason("is a folder", "name a file in it"),
}


def shown(path: Path | str) -> str:
    r"""Return a path for a message: printable, and not endless.

    >>> shown("box\n.toml"), len(shown("a" * 5000)) < 350
    ("'box\\n.toml'", True)
    """
    text = str(path)
    if len(text) > MOST_SHOWN:
        text = f"{text[:200]}…{text[-50:]} ({len(text)} characters)"
    return text if text.isprintable() else repr(text)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write beside the file, sync and rename, so that a reader never sees a part of it.

    A link is kept, and the file that it leads to is replaced. A pipe, a terminal or
    another device is written to, and not replaced.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    try:
        special = _special(path)
        with special or _whole(Path(os.path.realpath(path))) as file:
            yield file
    except OSError as err:
        if isinstance(err, SensormlError):  # an error of other code, such as the store
            raise
        raise unwritable(path, err) from err


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise unwritable(path, err) from err


def unwritable(path: Path, err: OSError) -> OutputError:
    """Return the error of a file that cannot be written."""
    return OutputError(
        f"{shown(path)}: cannot be written ({err.strerror}): "
        "check the folder, its permissions and its free space"
    )


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    part = path.with_name(f".{path.name[:50]}.{os.urandom(4).hex()}.part")
    try:
        descriptor = os.open(part, _CREATE, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            with suppress(FileNotFoundError):
                os.fchmod(descriptor, path.stat().st_mode & 0o777)
            yield file
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


def _special(path: Path) -> BinaryIO | None:
    """Open what is there and no regular file; None: a file can be replaced or made.

    Raises:
        OutputError: it must not be written.
    """
    own = _DESCRIPTOR.fullmatch(str(path))
    number = int(own[1]) if own else _STANDARD.get(str(path))
    if number is not None:  # a new opening would begin at the start of its file
        return os.fdopen(os.dup(number), "wb")
    return None if _replaceable(path) else os.fdopen(os.open(path, _WRITE), "wb")


def refuse_special(path: Path) -> None:
    """Accept only a path that is free, or leads to a regular file.

    Raises:
        OutputError: something else is there, or it cannot be reached.
    """
    try:
        if not _replaceable(path):
            raise OutputError(f"{shown(path)}: is no regular file: name another file")
    except OSError as err:
        if isinstance(err, SensormlError):
            raise
        raise unwritable(path, err) from err


def _replaceable(path: Path) -> bool:
    """Return whether a path is free or a regular file; False: it is a device.

    Raises:
        OutputError: it must not be written.
    """
    try:
        link, mode = path.lstat(), path.stat().st_mode
    except FileNotFoundError:
        return True
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in {0, os.geteuid()}:
        raise OutputError(f"{shown(path)}: is a link of another user: name the file")
    if stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a disk"
        raise OutputError(f"{shown(path)}: is {what}: name a file in it")
    return stat.S_ISREG(mode)


@contextmanager
def replacing_text(path: Path) -> Iterator[TextIO]:
    """Do the same for UTF-8 text, whose newlines are written unchanged.

    What UTF-8 cannot carry (a file's name in another encoding) is written escaped.
    """
    with replacing(path) as file:
        text = TextIOWrapper(
            file, encoding="utf-8", errors="backslashreplace", newline=""
        )
        yield text
        text.flush()
        text.detach()


def read_small(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a regular file of at most `most` bytes.

    Raises:
        InputError: it is missing, no regular file, too large, or cannot be read.
    """
    try:
        # The opening of a device can have an effect, so the type is checked before.
        _check_regular(path.stat().st_mode)
        with os.fdopen(os.open(path, _READ), "rb") as file:
            _check_regular(os.fstat(file.fileno()).st_mode)
            content = file.read(most + 1)
    except OSError as err:
        if isinstance(err, InputError):
            raise
        usual = Reason(f"cannot be read ({err.strerror})", "check its permissions")
        raise InputError(*_UNREADABLE.get(err.errno or 0, usual)) from err
    if len(content) > most:
        what = f"is larger than {most / 1e6:g} MB"
        raise InputError(what, "check that it is the right file")
    return content


def why_special(path: Path) -> str:
    """Return why a path is not that of a regular file; "" for one, or for none yet."""
    try:
        _check_regular(path.stat().st_mode)
    except FileNotFoundError:
        return ""
    except InputError as err:
        return err.reason.what
    except OSError as err:
        usual = Reason(f"cannot be opened ({err.strerror}), check its permissions")
        return _UNREADABLE.get(err.errno or 0, usual).what
    return ""


def _check_regular(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise InputError(*_UNREADABLE[errno.EISDIR])
    if not stat.S_ISREG(mode):
        raise InputError("is no regular file", "name a file on a disk")


def read_secret(path: str, key: str) -> str:
    """Return the text of a file, without a byte order mark and space around it.

    Raises:
        SecretError: it cannot be read, is no ordinary file, is too long, is not UTF-8
            or is empty; the message names the file and `key`, its key in the
            configuration.
    """
    where = f"{shown(path)}: {key}"
    try:
        content = read_small(Path(path), MOST_SECRET_BYTES)
        secret = content.decode("utf-8-sig").strip()
    except InputError as err:
        if _is_like_secret(Path(path)):
            what = f"{key}: there is no such file, and it looks like the secret itself"
            cure = "write the secret into a file, and the path of that file here"
            raise SecretError(what, cure) from None  # the path would show the secret
        raise SecretError(f"{where}: {err.reason.what}", err.reason.cure) from err
    except UnicodeDecodeError:  # its text would show a byte of the secret
        raise SecretError(
            f"{where}: is not UTF-8 text", "write the secret as plain text"
        ) from None
    if not secret:
        raise SecretError(f"{where}: is empty", "write the secret into it")
    return secret


def _is_like_secret(path: Path) -> bool:
    """Return whether a person wrote the secret in the place of its file."""
    missing = (p for p in (path, *path.parents) if not os.path.lexists(p))
    return any(_SECRET.fullmatch(part.name) for part in missing)


def read_header_secret(path: str, key: str) -> str:
    """Return a secret that can be sent in an HTTP header.

    Raises:
        SecretError: also for a character that no header can carry; the message has
            its position and not the character.
    """
    secret = read_secret(path, key)
    if (place := unsendable(secret)) is not None:
        raise SecretError(
            f"{shown(path)}: {key}: character {place} cannot be sent in an HTTP header",
            "write the token alone, in one line, without invisible characters",
        )
    return secret


def unsendable(secret: str) -> int | None:
    """Return the position, from 1, of the first character that no header carries.

    >>> unsendable("abc"), unsendable("ab\u200bc")
    (None, 3)
    """
    return next((i for i, c in enumerate(secret, 1) if not "!" <= c <= "~"), None)

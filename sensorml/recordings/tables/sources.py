"""The bytes of a table: unpacked, as UTF-8 lines, within bounded memory."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from sensorml.errors import RecordingError
from sensorml.recordings.counted import CountedFile

MAX_LINE: Final = 1 << 20
"""Bytes of a line; a longer one is no row of 4096 columns."""
HEAD: Final = 1 << 18
"""Bytes that the layout is found in."""
CHUNK: Final = 1 << 22
MOST_PACKED: Final = 200
"""Bytes out of one, beyond which a packed file is a trap."""
PACKED_FREE: Final = 1 << 26
"""Bytes that are unpacked in any case."""

_MAGIC: Final = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip file (.zip, .xlsx or .npz)"),
    (b"\xd0\xcf\x11\xe0", "an old Office document (.xls)"),
    (b"RIFF", "a RIFF file (.wav or .avi)"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "a Feather file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"BZh", "packed with bzip2"),
    (b"\xfd7zXZ", "packed with xz"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd"),
    (b"7z\xbc\xaf", "packed with 7-Zip"),
    (b"TDSm", "a TDMS file"),
)
_JSON = re.compile(r'\s*(?:\{\s*["}]|\[\s*[\[{"\d\-\]])')
_MARKUP = re.compile(r"\s*<(?:!doctype|\?xml|html|[a-z]+[ >])", re.IGNORECASE)
_BOMS: Final = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class _Stream(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...
    def close(self) -> None: ...


class Lines(Protocol):
    """The lines of a table."""

    @property
    def packed(self) -> bool: ...
    @property
    def encoding(self) -> str: ...
    @property
    def title(self) -> str:
        """The name of the form, where it is not text; else empty."""

    @property
    def head(self) -> tuple[str, ...]:
        """The first lines, without their ends, all of them complete."""

    @property
    def whole(self) -> bool:
        """True if these are all lines."""

    def chunks(self) -> Iterator[bytes]:
        """Yield UTF-8 of whole lines, each ended by a newline but perhaps the last."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text file whose kind and encoding were found."""

    path: Path
    packed: bool
    encoding: str
    """The name of a Python codec that also takes a byte order mark off."""
    head: tuple[str, ...]
    """Its first lines, without their ends, all of them complete."""
    whole: bool
    """True if these are all of its lines."""
    title: str = ""

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """Yield UTF-8 of whole lines, about `size` bytes, each ended by a newline.

        The last line of the file may come without its end.

        Raises:
            RecordingError: it cannot be read, or a line is too long.
        """
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        plain = self.encoding == "utf-8-sig"
        first = True
        with closing(_open(self.path, packed=self.packed)) as stream:
            rest = b""
            for raw in _parts(self.path, stream, size, packed=self.packed):
                if plain:
                    part = raw.removeprefix(codecs.BOM_UTF8) if first else raw
                else:
                    part = decoder.decode(raw).encode()
                first = False
                lines, rest = _split_last(self.path, rest + part)
                if lines:
                    yield lines
            if rest := rest + decoder.decode(b"", final=True).encode():
                yield rest.replace(b"\r", b"\n")


def open_source(path: Path) -> Source:
    """Find out what a file holds and how its text is encoded.

    Raises:
        RecordingError: it is no text, and what it is.
    """
    with _reading(path), path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if path.name.lower().endswith(".gz") and not packed and path.stat().st_size:
        raise RecordingError(
            f"{path}: is not packed with gzip: rename it without .gz, or copy it again"
        )
    with closing(_open(path, packed=packed)) as stream, _reading(path):
        raw = stream.read(HEAD)
        whole = len(raw) < HEAD
    if not raw.strip(b"\0 \t\r\n"):
        what = "is empty" if not raw else "holds nothing but blanks"
        raise RecordingError(f"{path}: {what}: make the recording again")
    encoding = _encoding(raw)
    _refuse_binary(path, raw, encoding)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(raw)
    if (other := _other_text(text)) is not None:
        raise RecordingError(
            f"{path}: is {other}, not a table: export the recording as CSV"
        )
    lines = re.split(r"\r\n|\n|\r", text)
    if not whole and len(lines) == 1:
        raise _too_long(path, text)
    return Source(path, packed, encoding, tuple(lines if whole else lines[:-1]), whole)


class _reading:  # noqa: N801  a context manager, used like a function
    """Turn the errors of reading into one of ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, err: BaseException | None, _tb: object) -> None:
        if isinstance(err, (OSError, EOFError, zlib.error)):
            raise RecordingError(
                f"{self._path}: cannot be read to its end ({err}): copy it again"
            ) from err


class _Unpacked(gzip.GzipFile):
    """The content of a packed file, which is closed with it."""

    def __init__(self, file: CountedFile) -> None:
        super().__init__(fileobj=file)
        self._packed = file

    def close(self) -> None:
        super().close()
        self._packed.close()


def _open(path: Path, *, packed: bool) -> _Stream:
    with _reading(path):
        file = CountedFile(path)
        return _Unpacked(file) if packed else file


def _parts(path: Path, stream: _Stream, size: int, *, packed: bool) -> Iterator[bytes]:
    total = 0
    most = path.stat().st_size * MOST_PACKED + PACKED_FREE
    while True:
        with _reading(path):
            raw = stream.read(size)
        if not raw:
            return
        total += len(raw)
        if packed and total > most:
            raise RecordingError(
                f"{path}: unpacks to more than {MOST_PACKED} times its size, which "
                "no recording does: check where it comes from, or unpack it yourself"
            )
        yield raw


def _split_last(path: Path, data: bytes) -> tuple[bytes, bytes]:
    r"""Split after the last line that is complete; every line then ends in \n."""
    if b"\r" in data:
        held = data.endswith(b"\r")  # its \n may still come
        data = data[: -1 if held else None].replace(b"\r\n", b"\n")
        data = data.replace(b"\r", b"\n") + (b"\r" if held else b"")
    end = data.rfind(b"\n") + 1
    if len(data) - end > MAX_LINE:
        raise _too_long(path, data[end : end + 80].decode("utf-8", "replace"))
    return data[:end], data[end:]


def _too_long(path: Path, begin: str) -> RecordingError:
    fields = max(begin.count(mark) for mark in ",;\t|")
    what = (
        "has more than 4096 columns"
        if fields > len(begin) // 40 and fields > 3
        else f"has a line of more than {MAX_LINE >> 20} MB"
    )
    return RecordingError(
        f"{path}: {what}: write one row a line, with only the channels in it"
    )


def _encoding(raw: bytes) -> str:
    """Return the codec of a text that begins like this."""
    for mark, name in _BOMS:
        if raw.startswith(mark):
            return "utf-8-sig" if name == "UTF-8" else name.lower()
    even, odd = raw[0:2000:2].count(0), raw[1:2000:2].count(0)
    half = len(raw[:2000]) // 2
    if half > 2 and odd > 0.6 * half and even < 0.1 * half:
        return "utf-16-le"
    if half > 2 and even > 0.6 * half and odd < 0.1 * half:
        return "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _refuse_binary(path: Path, raw: bytes, encoding: str) -> None:
    """Raise with the name of what it is, if the file is no text."""
    for magic, what in _MAGIC:
        if raw.startswith(magic) and (len(magic) > 2 or b"\0" in raw[:64]):
            raise RecordingError(
                f"{path}: is {what}, not a table: give the recording itself, with the "
                "ending of its format"
            )
    if encoding.startswith(("utf-16", "utf-32")):
        return
    control = sum(raw[:4096].count(byte) for byte in (1, 2, 3, 4, 5, 6, 14, 15, 16))
    body = raw.rstrip(b"\0")
    if control > 8 or body[:4096].count(0) > 64:
        raise RecordingError(
            f"{path}: is binary, not a table: export the recording as CSV"
        )


def _other_text(text: str) -> str | None:
    if _JSON.match(text):
        return "JSON"
    if _MARKUP.match(text):
        return "HTML or XML"
    return None

"""TOML tables as frozen types, with every problem reported at once.

msgspec decodes and checks each value, but stops at the first wrong one. So each
table is decoded here key by key, and every problem is collected with its key and
its cure.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Self, TypeVar

import msgspec
from msgspec import Meta

from sensorml.errors import (
    ConfigError,
    InputError,
    OptionError,
    PluginError,
    Problem,
)
from sensorml.files import read_small, shown
from sensorml.schema.hints import hint, is_struct, item_struct, members

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


Floats = tuple[float, ...]


S = TypeVar("S", bound=msgspec.Struct)

Json = dict[str, object]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A TOML table as a frozen value; a key that is not a field is an error.

    A rule between fields is checked in `__post_init__`, which raises OptionError.
    """

    def relative_to(self, folder: Path) -> Self:
        """Return the table with its paths (`path`, `…_file`) relative to a folder."""
        paths = {
            field: str(folder / value)
            for field, value in msgspec.structs.asdict(self).items()
            if field == "path" or field.endswith("_file")
            if isinstance(value, str)
        }
        return msgspec.structs.replace(self, **paths)


class Tagged(Table, frozen=True, kw_only=True, tag_field="kind"):
    """A table of one of several types; its key `kind` is the tag of the type."""

    @classmethod
    def of_kind(cls, name: object) -> type[Tagged]:
        """Return the type.

        Raises:
            PluginError: there is none of that name, or it cannot be imported.
        """
        raise NotImplementedError


_DEEP: Final = re.compile(
    r"""(?<![\w."'-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){50}""", re.ASCII
)
"""A key with 50 dots, whose time in tomllib grows with the square of their number."""


def read_toml(path: Path) -> Json:
    """Parse a TOML file.

    Raises:
        ConfigError: the file is missing, no small regular file, not UTF-8 or not
            TOML.
    """
    try:
        return _parsed(read_small(path).decode("utf-8-sig"))
    except InputError as err:
        what, cure = err.reason
    except UnicodeDecodeError as err:
        what, cure = f"not UTF-8 at byte {err.start}", "save the file as UTF-8"
    except tomllib.TOMLDecodeError as err:
        what, cure = f"not TOML: {err}", "correct that line"
    except RecursionError:
        what, cure = "is nested too deeply", "use fewer levels of tables"
    except ValueError:  # Python's limit for the digits of a number
        what, cure = "not TOML: a number has thousands of digits", "correct it"
    raise ConfigError([Problem(shown(path), "", what, cure)])


def _parsed(text: str) -> Json:
    if _DEEP.search(text):
        raise RecursionError
    tables = tomllib.loads(text.replace("\r\n", "\n").replace("\r", "\n"))
    repr(tables)  # dotted keys may nest deeper than repr can show
    return tables


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of a type; their annotations take long to evaluate."""
    return msgspec.structs.fields(kind)


class Decoder:
    """A decoder for the tables of one file, which collects the problems.

    The table of a wrong value is returned as None, so that a caller can continue
    and find the other problems.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def problem(self, key: str, what: str, cure: str = "") -> None:
        self.problems.append(Problem(self.file, key, what, cure))

    def raise_if_any(self) -> None:
        if self.problems:
            raise ConfigError(self.problems)

    def table(self, value: object, kind: type[S], key: str = "") -> S | None:
        """Decode one table; `key` is its place in the file, for messages."""
        if not isinstance(value, dict):
            self.problem(key, "is not a table", f"write it as [{key}]")
            return None
        before = len(self.problems)
        fields = {field.encode_name: field for field in _fields(kind)}
        tag = kind.__struct_config__.tag_field
        for name in value:
            if name not in fields and name != tag:
                self.problem(_join(key, name), "unknown key", nearest(name, fields))
        decoded: dict[str, object] = {}
        for name, field in fields.items():
            if name in value:
                decoded[field.name] = self._value(
                    value[name], field.type, _join(key, name)
                )
            elif field.required:
                self.problem(_join(key, name), "missing", hint(field.type))
        if len(self.problems) > before:
            return None
        try:
            return kind(**decoded)
        except OptionError as err:
            self.problem(key, *err.reason)
        except ValueError as err:  # from the __post_init__ of another package
            self.problem(key, str(err))
        return None

    def _tagged(self, value: Json, kind: type[Tagged], key: str) -> Tagged | None:
        try:
            chosen = kind.of_kind(value.get("kind"))
        except PluginError as err:
            self.problem(_join(key, "kind"), *err.reason)
            return None
        return self.table(value, chosen, key)

    def _value(self, value: object, kind: object, key: str) -> object:
        struct = next((m for m in members(kind) if is_struct(m)), None)
        if isinstance(value, dict) and struct is not None:
            if issubclass(struct, Tagged):
                return self._tagged(value, struct, key)
            return self.table(value, struct, key)
        item = item_struct(kind)
        if item is not None and isinstance(value, list):
            return tuple(
                self.table(each, item, f"{key}[{i}]") for i, each in enumerate(value)
            )
        # Data sheets write addresses in hexadecimal.
        write = "{:#04x}".format if key.endswith("address") else str
        shown = write(value) if type(value) is int else repr(value)
        if (odd := _odd(value)) is not None:
            self.problem(key, f"is {shown}{odd}", hint(kind, write))
            return None
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            self.problem(key, f"is {shown}", hint(kind, write))
            return None


def decode_file(path: Path, kind: type[S]) -> S:
    """Read one TOML file that is a single table of type `kind`.

    Raises:
        ConfigError: with every problem of the file.
    """
    decoder = Decoder(str(path))
    table = decoder.table(read_toml(path), kind)
    decoder.raise_if_any()
    assert table is not None  # noqa: S101 - None always comes with a problem
    return table


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known word that is closest to `name`, or all of them.

    >>> nearest("adress", ["address", "bus"])
    'did you mean address?'
    """
    words = sorted(known)
    import difflib

    close = difflib.get_close_matches(name, words, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return "use one of " + ", ".join(words) if words else "remove it"


_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline


def _odd(value: object) -> str | None:
    r"""Return why no key accepts a value that TOML can write, or None.

    >>> _odd([1.0, float("nan")]), _odd(2**63), _odd("a\0b"), _odd("a\nb")
    ('', ', more than 64 bits', ', with control characters', None)
    """
    if isinstance(value, list):
        return next((odd for each in value if (odd := _odd(each)) is not None), None)
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return ", more than 64 bits"
    if isinstance(value, str) and _CONTROL.search(value):
        return ", with control characters"
    return None


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name

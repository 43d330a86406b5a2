"""TOML tables as frozen types, with every problem found at once.

msgspec decodes and checks each value; it stops at the first wrong one, so the
tables are walked here key by key, and everything wrong is collected with its
place and its cure.
"""

from __future__ import annotations

import tomllib
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeGuard, TypeVar, Union, get_args, get_origin

import msgspec

from sensorml.errors import ConfigError, Problem

S = TypeVar("S", bound=msgspec.Struct)

Json = dict[str, object]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A TOML table: a key that is not a field is an error, not a surprise.

    A rule between fields goes into `__post_init__` and raises ValueError
    ("what: what to do").
    """


def read_toml(path: Path) -> Json:
    """Parse a TOML file.

    Raises:
        ConfigError: the file is missing, not UTF-8 or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        what, cure = "no such file", "check the path"
    except OSError as err:
        what, cure = f"cannot be read ({err.strerror})", "check its permissions"
    except UnicodeDecodeError as err:
        what, cure = f"not UTF-8 at byte {err.start}", "save the file as UTF-8"
    except tomllib.TOMLDecodeError as err:
        what, cure = f"not TOML: {err}", "correct that line"
    raise ConfigError([Problem(str(path), "", what, cure)])


class Decoder:
    """Turns one file's tables into types and remembers what was wrong.

    A value that is wrong is reported and its table comes back as None, so a
    caller goes on and finds the rest.
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
        """Decode one table; `key` is its place in the file, for the messages."""
        if not isinstance(value, dict):
            self.problem(key, "is not a table", f"write it as [{key}]")
            return None
        before = len(self.problems)
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        tag = _tag_field(kind)
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
                self.problem(_join(key, name), "missing", _wanted(field.type))
        if len(self.problems) > before:
            return None
        try:
            return kind(**decoded)
        except ValueError as err:  # a rule between fields, from __post_init__
            what, _, cure = str(err).partition(": ")
            self.problem(key, what, cure)
            return None

    def _one_of(
        self, value: Json, kinds: list[type[msgspec.Struct]], key: str
    ) -> msgspec.Struct | None:
        """Decode a table into the one of several types that its tag names."""
        tag_field = _tag_field(kinds[0])
        if tag_field is None:
            return self.table(value, kinds[0], key)
        tags = [kind.__struct_config__.tag for kind in kinds]
        tag = value.get(tag_field)
        if tag in tags:
            return self.table(value, kinds[tags.index(tag)], key)
        what = "missing" if tag is None else f"is {tag!r}"
        cure = "use one of " + ", ".join(f'"{each}"' for each in tags)
        self.problem(_join(key, tag_field), what, cure)
        return None

    def _value(self, value: object, kind: object, key: str) -> object:
        structs = [m for m in _members(kind) if _is_struct(m)]
        if isinstance(value, dict) and structs:
            return self._one_of(value, structs, key)
        item = _item_struct(kind)
        if item is not None and isinstance(value, list):
            return tuple(
                self.table(each, item, f"{key}[{i}]") for i, each in enumerate(value)
            )
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            self.problem(key, f"is {value!r}", _wanted(kind))
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
    """Name the known word that `name` is probably meant to be, or all of them.

    >>> nearest("adress", ["address", "bus"])
    'did you mean address?'
    """
    words = sorted(known)
    import difflib

    close = difflib.get_close_matches(name, words, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return "use one of " + ", ".join(words) if words else "remove it"


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _members(kind: object) -> tuple[object, ...]:
    """Return the alternatives of a union, or the type itself."""
    if get_origin(kind) in {Union, types.UnionType}:
        return get_args(kind)
    return (kind,)


def _item_struct(kind: object) -> type[msgspec.Struct] | None:
    """Return the struct type that a list or tuple of tables holds."""
    for member in _members(kind):
        args = get_args(member)
        if get_origin(member) in {list, tuple} and args and _is_struct(args[0]):
            return args[0]
    return None


def _is_struct(kind: object) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _tag_field(kind: type[msgspec.Struct]) -> str | None:
    return kind.__struct_config__.tag_field


_PLAIN = {str: "text in quotes", int: "a whole number", float: "a number"}


def _wanted(kind: object) -> str:
    """Say in words what a key wants.

    >>> _wanted(Literal["v1", "v2"])
    'use one of "v1", "v2"'
    >>> _wanted(int | None)
    'give a whole number'
    """
    members = [m for m in _members(kind) if m is not type(None)]
    choices = [c for m in members if get_origin(m) is Literal for c in get_args(m)]
    if choices:
        shown = ", ".join(f'"{c}"' if isinstance(c, str) else str(c) for c in choices)
        return f"use one of {shown}"
    names = [name for m in members if (name := _name(m))]
    return "give " + " or ".join(names) if names else "see the documentation"


def _name(kind: object) -> str:
    if hasattr(kind, "__metadata__"):
        return _name(get_args(kind)[0]) + _bounds(kind.__metadata__)
    if kind is bool:
        return "true or false"
    if isinstance(kind, type) and kind in _PLAIN:
        return _PLAIN[kind]
    if _is_struct(kind) or _item_struct(kind):
        return "a table"
    if get_origin(kind) in {list, tuple}:
        return "a list"
    return ""


def _bounds(metadata: tuple[object, ...]) -> str:
    """Put the limits of a msgspec.Meta into words."""
    said = []
    for meta in metadata:
        if isinstance(meta, msgspec.Meta):
            for limit, word in (
                (meta.gt, "above"),
                (meta.ge, "at least"),
                (meta.lt, "below"),
                (meta.le, "at most"),
            ):
                if limit is not None:
                    said.append(f" {word} {limit}")
            if meta.examples:
                shown = ", ".join(f'"{example}"' for example in meta.examples)
                said.append(f" such as {shown}")
    return ",".join(said)

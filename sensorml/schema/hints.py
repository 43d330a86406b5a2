"""Hints: the type, the limits and the choices of a key, in words."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeGuard, Union, get_args, get_origin

import msgspec

_PLAIN = {
    bool: "true or false",
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
}
_LISTS = {list, tuple}


def hint(kind: object, write: Callable[[object], str] = str) -> str:
    """Return what to give for a key, in words; `write` formats the numbers.

    >>> hint(Literal["v1", "v2"])
    'use one of "v1", "v2"'
    >>> hint(int | None)
    'give a whole number'
    >>> hint(tuple[Literal["x", "y"], ...])
    'give a list, each one of "x", "y"'
    >>> hint(dict[str, str])
    'give a table, each value text in quotes'
    """
    accepted = [m for m in members(kind) if m is not type(None)]
    choices = [c for m in accepted if get_origin(m) is Literal for c in get_args(m)]
    if choices:
        return f"use {_one_of(choices)}"
    names = [name for m in accepted if (name := _name(m, write))]
    return "give " + " or ".join(names) if names else "see the documentation"


def _one_of(choices: Iterable[object]) -> str:
    shown = (f'"{c}"' if isinstance(c, str) else str(c) for c in choices)
    return f"one of {', '.join(shown)}"


def _name(kind: object, write: Callable[[object], str]) -> str:
    if hasattr(kind, "__metadata__"):
        limits = [m for m in kind.__metadata__ if isinstance(m, msgspec.Meta)]
        return _limited(get_args(kind)[0], limits, write)
    if isinstance(kind, type) and kind in _PLAIN:
        return _PLAIN[kind]
    if is_struct(kind) or item_struct(kind):
        return "a table"
    if get_origin(kind) is Literal:
        return _one_of(get_args(kind))
    if get_origin(kind) is dict:
        return f"a table, each value {_name(get_args(kind)[1], write)}"
    return _list(kind, write) if get_origin(kind) in _LISTS else ""


def _limited(
    base: object, limits: Sequence[msgspec.Meta], write: Callable[[object], str]
) -> str:
    if get_origin(base) in _LISTS:
        return _list(base, write, _length(limits))
    few = _few(limits) if base is int else []
    few_numbers = " or ".join(map(write, few))
    return few_numbers or _name(base, write) + _bounds(limits, write)


def _list(kind: object, write: Callable[[object], str], length: str = "") -> str:
    item, *more = get_args(kind)
    if more and more != [...]:
        length = f" of {1 + len(more)}"
    each = _name(item, write)
    return f"a list{length}" + (f", each {each}" if each else "")


def _length(limits: Iterable[msgspec.Meta]) -> str:
    for meta in limits:
        if meta.min_length and meta.max_length:
            return f" of {meta.min_length} to {meta.max_length}"
        if meta.min_length:
            return f" of at least {meta.min_length}"
    return ""


def _few(limits: Iterable[msgspec.Meta]) -> list[float]:
    """Return the whole numbers within the limits, if there are one or two."""
    for meta in limits:
        if meta.ge is not None and meta.le is not None and meta.le - meta.ge <= 1:
            return sorted({meta.ge, meta.le})
    return []


def _bounds(limits: Iterable[msgspec.Meta], write: Callable[[object], str]) -> str:
    bounds: list[str] = []
    for meta in limits:
        for limit, word in (
            (meta.gt, "above"),
            (meta.ge, "at least"),
            (meta.lt, "below"),
            (meta.le, "at most"),
        ):
            if limit is not None:
                bounds.append(f" {word} {write(limit)}")
        if meta.min_length:
            bounds.append(" that is not empty")
        if meta.examples:
            shown = ", ".join(f'"{example}"' for example in meta.examples)
            bounds.append(f" such as {shown}")
        elif meta.pattern:
            bounds.append(f" that matches {meta.pattern}")
    return ",".join(bounds)


def members(kind: object) -> tuple[object, ...]:
    """Return the alternatives of a union, or the type itself."""
    if get_origin(kind) in {Union, types.UnionType}:
        return get_args(kind)
    return (kind,)


def item_struct(kind: object) -> type[msgspec.Struct] | None:
    """Return the struct type that a list or tuple of tables holds."""
    for member in members(kind):
        args = get_args(member)
        if get_origin(member) in _LISTS and args and is_struct(args[0]):
            return args[0]
    return None


def is_struct(kind: object) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)

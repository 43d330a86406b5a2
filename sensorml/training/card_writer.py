"""Model cards as readable TOML text."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator

import msgspec

from sensorml.pipeline.model_card import Card
from sensorml.schema import Floats


def card_text(card: Card) -> str:
    """Return a card as text. Defaults are written, too; empty values are left out."""
    return "\n".join((*_lines(_fields(card), ""), ""))


def _fields(table: msgspec.Struct) -> dict[str, object]:
    config = table.__struct_config__
    tag = {config.tag_field: config.tag} if config.tag_field else {}
    values = [
        (field, getattr(table, field.name)) for field in msgspec.structs.fields(table)
    ]
    if tag:  # mean and std are long, so they come last
        values.sort(key=lambda pair: pair[0].type == Floats)
    return tag | {
        field.encode_name: value
        for field, value in values
        if field.required or value not in (None, "", ())
    }


def _lines(table: dict[str, object], path: str) -> Iterator[str]:
    """Yield the plain values of a table, then its tables."""
    tables: dict[str, dict[str, object]] = {}
    for key, value in table.items():
        if isinstance(value, msgspec.Struct):
            tables[key] = _fields(value)
        elif isinstance(value, dict):
            tables[key] = value
        else:
            yield f"{_key(key)} = {_value(value)}"
    for key, inner in tables.items():
        if inner:
            yield from ("", f"[{path}{key}]", *_lines(inner, f"{path}{key}."))


def _key(key: str) -> str:
    return key if key.replace("_", "").isalnum() else json.dumps(key)


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return _array([_value(item) for item in value])
    if isinstance(value, float):
        return repr(value)
    # Text, whole numbers, true and false are written in TOML as in JSON.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _array(items: list[str]) -> str:
    short = f"[{', '.join(items)}]"
    if len(short) <= 72:
        return short
    if any(" " in item for item in items):  # one text a line
        body = "\n".join(f"  {item}," for item in items)
    else:
        body = textwrap.fill(
            ", ".join(items) + ",",
            width=80,
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return f"[\n{body}\n]"

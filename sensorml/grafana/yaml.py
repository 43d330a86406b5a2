"""YAML of plain values: maps and lists as blocks, scalars as in JSON.

Every JSON scalar is a YAML 1.2 scalar, so quoting needs no rules of its own.
Keys are plain words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator


def to_yaml(value: object) -> str:
    """Return maps, lists, strings, numbers, booleans and None as YAML.

    >>> print(to_yaml({"groups": [{"name": "a: b", "rules": []}], "orgId": 1}), end="")
    groups:
      - name: "a: b"
        rules: []
    orgId: 1
    """
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _entry(f"{key}:", item)
    elif isinstance(value, list) and value:
        for item in value:
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield json.dumps(value, ensure_ascii=False)


def _entry(head: str, value: object) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{head} {json.dumps(value, ensure_ascii=False)}"

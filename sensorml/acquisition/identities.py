"""The identities of all chips that our drivers read."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import NamedTuple

from sensorml import plugins
from sensorml.interfaces import Identity

_DECLARED = re.compile(r"(?ms)^IDENTITY = (Identity\(.*?\))(  #[^\n]*)?$")


class KnownChip(NamedTuple):
    """A driver, and how the chip that it is for is recognised."""

    driver: str
    identity: Identity


@cache
def known_chips() -> tuple[KnownChip, ...]:
    """Return the `IDENTITY` of every driver of ours that has one.

    It is read from the source, because the import of all drivers takes 100 ms on a
    fast computer, a fifth of `sensorml probe`.
    """
    chips = []
    for file in plugins.files("drivers"):
        if (declared := _DECLARED.search(file.read_text("utf-8"))) and isinstance(
            call := ast.parse(declared[1], mode="eval").body, ast.Call
        ):
            arguments = map(ast.literal_eval, call.args)
            named = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
            chips.append(KnownChip(file.stem, Identity(*arguments, **named)))
    return tuple(chips)

"""The formats of recordings: the module that reads a file, by the end of its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXCEL: Final = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
"""Workbooks, whose sheets are read as the lines of a text."""
TABLES: Final[Mapping[str, str]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".dat", ".log", ".lvm"), "table"),
    **dict.fromkeys(EXCEL, "table"),
    **dict.fromkeys((".parquet", ".feather", ".arrow", ".ipc"), "frames"),
}
"""Modules of `tables`. Each of these names may have .gz behind it where it is text."""
FILES: Final[Mapping[str, str]] = {
    ".npz": "npz",
    ".wav": "wav",
    ".mat": "mat",
    ".tdms": "tdms",
    ".uff": "uff",
    ".unv": "uff",
    ".json": "edge_impulse",
    ".cbor": "edge_impulse",
    ".part": "part",
}
"""Modules of this package."""
LABELLED: Final = frozenset({"npz", "wav", "part"})
"""Modules that read the labels without the rows; those of tables do, too."""
ENDINGS: Final = tuple(end for end in (*TABLES, *FILES) if end != ".part")
"""Names of recordings in a folder; a part may still be written."""

"""The files of delegates/: an accelerator's machine, device, library and model."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field, structs

from sensorml.hardware.boards import Match, Text, read_tables
from sensorml.hardware.facts import Facts
from sensorml.schema import Table


class Library(Table, frozen=True, kw_only=True):
    """A shared library for `load_delegate`, by the file names it may have."""

    names: Annotated[tuple[Text, ...], Meta(min_length=1)]
    options: dict[str, str] = field(default_factory=dict)
    cure: Text
    """The way to get the library."""


class Access(Table, frozen=True, kw_only=True):
    """The group that may use the device file."""

    group: Text


class Needs(Table, frozen=True, kw_only=True):
    """Requirements on the system, and the cure where it does not meet them."""

    page_size_bytes: Annotated[int, Meta(ge=1)]
    cure: Text


class ModelNeeds(Table, frozen=True, kw_only=True):
    """The file of a model folder that it runs, and the data types it can run."""

    file: Annotated[str, Meta(pattern=r"^[^/]+\.tflite$", examples=["model.tflite"])]
    dtypes: Annotated[
        tuple[Literal["float32", "int8", "uint8"], ...], Meta(min_length=1)
    ]


class DelegateTable(Table, frozen=True, kw_only=True):
    """The keys of a file in delegates/."""

    title: Text
    tried: bool
    """True once it has been run on the real device."""
    auto: bool = True
    """`delegate = "auto"` tries it; otherwise it must be named."""
    match: Match
    model: ModelNeeds
    library: Library | None = None
    access: Access | None = None
    needs: Needs | None = None


class Delegate(DelegateTable, frozen=True, kw_only=True):
    """One file of delegates/."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem


def delegates(folders: Iterable[Path]) -> dict[str, Delegate]:
    """Read every delegate, by name; a later folder overrides an earlier one.

    Raises:
        ConfigError: with every problem of every file.
    """
    tables = read_tables(folders, DelegateTable)
    return {p.stem: Delegate(path=p, **structs.asdict(t)) for p, t in tables.items()}


def candidates(
    delegates: Mapping[str, Delegate], facts: Facts, files: Container[str]
) -> Iterator[Delegate]:
    """Yield the accelerators of this machine that "auto" may choose.

    `files` are the names of the model's files.
    """
    for delegate in delegates.values():
        may_run = delegate.library and delegate.auto and delegate.model.file in files
        if may_run and delegate.match.why_not(facts) is None:
            yield delegate

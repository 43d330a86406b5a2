"""The interface of ai-edge-litert and tflite-runtime, as far as it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypedDict

from sensorml.inference.quantisation import Values


class Details(TypedDict):
    """The used part of a tensor's details."""

    index: int
    shape: Sequence[int]


class Interpreter(Protocol):
    """One model in memory; not to be used by two threads at once."""

    def allocate_tensors(self) -> None: ...
    def get_input_details(self) -> list[Details]: ...
    def get_output_details(self) -> list[Details]: ...
    def resize_tensor_input(self, index: int, size: list[int]) -> None: ...
    def set_tensor(self, index: int, value: Values) -> None: ...
    def invoke(self) -> None: ...
    def get_tensor(self, index: int) -> Values: ...


class Runtime(Protocol):
    """The module `interpreter` of either package."""

    def Interpreter(  # noqa: N802
        self,
        *,
        model_content: bytes,
        num_threads: int,
        experimental_delegates: list[object] | None,
    ) -> Interpreter: ...
    def load_delegate(self, library: str, options: dict[str, str]) -> object: ...


def first_line(err: BaseException) -> str:
    """Return the first line of a runtime's error; its text may repeat itself."""
    lines = str(err).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(err).__name__

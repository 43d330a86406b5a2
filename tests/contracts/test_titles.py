"""The first line of every module: a noun phrase, or a command's help text."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sensorml

ROOT = Path(sensorml.__file__).parents[1]
MODULES = sorted(
    path.relative_to(ROOT)
    for folder in ("sensorml", "bench", "tests", "models")
    for path in (ROOT / folder).rglob("*.py")
    if "_data" not in path.parts and path.read_text().strip()
)
QUESTIONS = ("What ", "Whether ", "How ", "When ", "Where ", "Who ", "Why ")


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_title_is_no_question(module: Path) -> None:
    text = ast.get_docstring(ast.parse((ROOT / module).read_text()))
    assert text, "has no docstring"
    title = text.partition("\n")[0]
    assert not title.startswith(QUESTIONS), title
    assert "?" not in title

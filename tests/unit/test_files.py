"""A file appears whole, or the old one stays and nothing else is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorml.errors import OutputError, StoreError
from sensorml.files import replacing, replacing_text


def test_the_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    with replacing(path) as file:
        file.write(b"abc")
        assert not path.exists()
    assert path.read_bytes() == b"abc"
    assert list(tmp_path.iterdir()) == [path]


def _write_and_fail(path: Path, error: BaseException) -> None:
    with replacing_text(path) as file:
        file.write("new")
        raise error


@pytest.mark.parametrize(
    "error", [ValueError("bad"), KeyboardInterrupt(), StoreError("the store is away")]
)
def test_after_a_failure_the_old_file_is_there_and_the_error_is_as_it_was(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(type(error)) as raised:
        _write_and_fail(path, error)
    assert raised.value is error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_utf8_with_the_newlines_as_given(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with replacing_text(path) as file:
        file.write("5 µm\r\n6\n")
    assert path.read_bytes() == "5 µm\r\n6\n".encode()


def test_a_folder_that_is_not_there_is_named_with_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "out"
    with (
        pytest.raises(OutputError, match="check the folder") as raised,
        replacing(path),
    ):
        pass
    assert str(raised.value).startswith(f"{path}: cannot be written (No such file")


def test_a_folder_in_the_place_of_the_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.mkdir()
    with pytest.raises(OutputError, match="cannot be written"), replacing(path) as file:
        file.write(b"abc")
    assert path.is_dir()
    assert list(tmp_path.iterdir()) == [path]

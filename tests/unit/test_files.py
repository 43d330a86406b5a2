"""Files that are written whole or not at all, and secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorml.errors import OutputError, SecretError, StoreError
from sensorml.files import read_secret, replacing, replacing_text


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
    "error", [ValueError("bad"), KeyboardInterrupt(), StoreError("the store is full")]
)
def test_after_a_failure_the_old_file_is_there_and_the_error_is_unchanged(
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


@pytest.mark.parametrize("content", [b" s3cret\r\n", b"\xef\xbb\xbfs3cret"])
def test_a_secret_is_read_without_byte_order_mark_and_space(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    assert read_secret(str(path), "token_file") == "s3cret"


@pytest.mark.parametrize("content", [None, b" \n", b"s3cret\xff"])
def test_the_message_names_file_and_key_and_never_the_secret(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SecretError) as caught:
        read_secret(str(path), "token_file")
    assert str(caught.value).startswith(f"{path}: token_file: ")
    assert "s3cret" not in str(caught.value)
    assert "0xff" not in str(caught.value)

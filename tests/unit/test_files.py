"""Files that are written whole or not at all, and secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.errors import InputError, OutputError, SecretError, StoreError
from sensorml.files import read_secret, read_small, replacing, replacing_text, shown


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
    with pytest.raises(OutputError, match="is a folder"), replacing(path) as file:
        file.write(b"abc")
    assert path.is_dir()
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_utf8_cannot_carry_is_written_escaped(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with replacing_text(path) as file:
        file.write(os.fsdecode(b"m\xff.csv"))
    assert path.read_text() == "m\\udcff.csv"


def test_a_link_is_kept_and_its_file_replaced(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    link = tmp_path / "out.csv"
    link.symlink_to("real.csv")
    with replacing_text(link) as file:
        file.write("new")
    assert link.readlink() == Path("real.csv")
    assert (tmp_path / "real.csv").read_text() == "new"


def test_a_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    path.chmod(0o640)
    with replacing(path) as file:
        file.write(b"new")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with replacing(path) as file:
        file.write(b"abc")
    assert os.read(reader, 10) == b"abc"
    os.close(reader)
    assert path.is_fifo()


def test_a_device_is_written_to_and_stays() -> None:
    with replacing(Path(os.devnull)) as file:
        file.write(b"abc")
    assert Path(os.devnull).is_char_device()


def test_a_full_device_is_one_sentence() -> None:
    with (
        pytest.raises(OutputError, match=r"^/dev/full: cannot be written \(No space"),
        replacing(Path("/dev/full")) as file,
    ):
        file.write(b"abc")
    assert Path("/dev/full").is_char_device()


def test_a_descriptor_is_written_to_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as log:
        log.write(b"before ")
        log.flush()
        with replacing(Path(f"/dev/fd/{log.fileno()}")) as file:
            file.write(b"after")
    assert path.read_bytes() == b"before after"


def test_a_planted_part_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "urandom", bytes)
    victim = tmp_path / "victim"
    (tmp_path / ".out.00000000.part").symlink_to(victim)
    with (
        pytest.raises(OutputError, match="File exists"),
        replacing(tmp_path / "out") as file,
    ):
        file.write(b"abc")
    assert not victim.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another's link")
def test_a_link_of_another_user_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "out"
    link.symlink_to("real")
    (tmp_path / "real").write_text("kept")
    os.chown(link, 12345, 12345, follow_symlinks=False)
    with pytest.raises(OutputError, match="another user"), replacing(link) as file:
        file.write(b"abc")
    assert (tmp_path / "real").read_text() == "kept"


def test_a_name_of_5000_characters_is_one_short_sentence() -> None:
    with pytest.raises(OutputError) as raised, replacing(Path("x" * 5000)):
        pass
    assert "File name too long" in str(raised.value)
    assert len(str(raised.value)) < 500


def _unreadable(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield what cannot be read as a small file, and why."""
    os.mkfifo(folder / "pipe")
    yield folder / "pipe", "is no regular file"
    yield Path("/dev/zero"), "is no regular file"
    (folder / "large").touch()
    os.truncate(folder / "large", 100_000_000)
    yield folder / "large", "is larger than 1 MB"
    yield folder, "is a folder"
    yield folder / "none", "no such file"
    yield folder / "large" / "below", "no such file"
    yield Path("x" * 5000), "no such file, the path is too long"
    (folder / "loop").symlink_to("loop")
    yield folder / "loop", "is a link to itself"


def test_what_is_no_small_file_is_refused_at_once_with_its_reason(
    tmp_path: Path,
) -> None:
    for path, why in _unreadable(tmp_path):
        with pytest.raises(InputError) as raised:
            read_small(path)
        assert raised.value.reason.what == why
        assert raised.value.reason.cure


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert read_small(tmp_path / "file", 3) == b"abc"


@pytest.mark.parametrize("content", [b" s3cret\r\n", b"\xef\xbb\xbfs3cret"])
def test_a_secret_is_read_without_byte_order_mark_and_space(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    assert read_secret(str(path), "token_file") == "s3cret"


@pytest.mark.parametrize(
    "token", ["a9Zx" * 16, "Zm9vYmFyYmF6cXV4Zm9vYmFy/+k==", "a9Zx" * 100]
)
def test_a_secret_in_the_place_of_its_file_is_not_shown(
    tmp_path: Path, token: str
) -> None:
    with pytest.raises(SecretError, match="looks like the secret itself") as caught:
        read_secret(str(tmp_path / token), "token_file")
    assert token[:8] not in str(caught.value)
    assert caught.value.__cause__ is None


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


@given(st.text(min_size=1, max_size=6000))
def test_a_path_in_a_message_is_printable_and_not_endless(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text)) < 4000

"""Compiled files are added to a model folder, or refused."""

import msgspec
import pytest
from delegate import pair as models
from support import CARD_TEXT

from sensorml.cli import main
from sensorml.errors import ModelError
from sensorml.inference.tflite_file import parse
from sensorml.pipeline import model_files as cards
from sensorml.pipeline.model_card import CARD, CPU_FILE, EDGETPU_FILE
from sensorml.training.edgetpu_pair import pair

F = 4  # the card's window


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "motor"
    folder.mkdir()
    (folder / CPU_FILE).write_bytes(models.cpu_model(F))
    text = CARD_TEXT.replace("{sha256}", cards.sha256(folder / CPU_FILE))
    (folder / CARD).write_text(f"# commissioned by Ann\n{text}")
    return folder


@pytest.fixture
def compiled(tmp_path):
    path = tmp_path / "motor_edgetpu.tflite"
    path.write_bytes(models.compiled_model(F))
    return path


def test_a_compiled_file_is_copied_and_listed_and_the_rest_of_the_card_is_kept(
    folder, compiled
):
    before, text = cards.load(folder), (folder / CARD).read_text()
    pair(compiled, folder)
    after = cards.load(folder)
    assert set(after.files) == {CPU_FILE, EDGETPU_FILE}
    assert msgspec.structs.replace(after, files=before.files) == before
    assert (folder / EDGETPU_FILE).read_bytes() == compiled.read_bytes()
    kept = set((folder / CARD).read_text().splitlines())
    assert set(text.splitlines()) < kept


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_file_that_is_compiled_again_replaces_the_earlier_one(
    folder, compiled, quote
):
    with (folder / CARD).open("a") as file:
        file.write(f"{quote}{EDGETPU_FILE}{quote} = '00'  # the first one\n")
    with pytest.raises(ModelError):
        cards.load(folder)
    pair(compiled, folder)
    pair(folder / EDGETPU_FILE, folder)
    assert EDGETPU_FILE in cards.load(folder).files


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (models.cpu_model(F), "has no part for the Edge TPU"),
        (models.compiled_model(F + 1), "takes 5 values"),
        (models.compiled_model(F)[:100], "cut off or damaged"),
    ],
)
def test_a_file_of_another_model_is_refused_and_nothing_is_changed(
    folder, compiled, data, why
):
    before = (folder / CARD).read_bytes()
    compiled.write_bytes(data)
    with pytest.raises(ModelError, match=why):
        pair(compiled, folder)
    assert (folder / CARD).read_bytes() == before
    assert {path.name for path in folder.iterdir()} == {CARD, CPU_FILE}


def test_a_folder_whose_own_model_was_changed_gets_no_pair(folder, compiled):
    with (folder / CPU_FILE).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="not the one the card was made for"):
        pair(compiled, folder)


def test_a_card_without_a_files_heading_is_not_changed(folder, compiled):
    path = folder / CARD
    head, _, files = path.read_text().partition("[files]\n")
    path.write_text(f"files = {{ {files.strip()} }}\n{head}")
    before = path.read_bytes()
    with pytest.raises(ModelError, match=r"not a table of its own: write .* there"):
        pair(compiled, folder)
    assert path.read_bytes() == before
    assert not (folder / EDGETPU_FILE).exists()


def test_the_command_adds_the_file_and_prints_what_is_mapped(folder, compiled, capsys):
    assert main(["train", "--pair", str(compiled), "--out", str(folder)]) == 0
    out = capsys.readouterr().out
    assert f"added        {folder / EDGETPU_FILE}\n" in out
    assert "1 operator, all supported: FULLY_CONNECTED v4 × 1" in out
    assert parse((folder / EDGETPU_FILE).read_bytes()).edgetpu


def test_the_command_needs_recordings_or_a_compiled_file(tmp_path, capsys):
    out = ["--out", str(tmp_path)]
    with pytest.raises(SystemExit, match="2"):
        main(["train", *out])
    assert "--normal --pair" in capsys.readouterr().err
    assert main(["train", "--pair", str(tmp_path / "none.tflite"), *out]) == 1
    assert "no such file" in capsys.readouterr().err

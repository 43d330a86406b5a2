"""Model cards: what is read, and every reason to refuse a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import CARD_TEXT, card, model_folder

from sensorml.errors import ModelError
from sensorml.pipeline import model_card as cards
from sensorml.pipeline import model_files
from sensorml.pipeline.model_card import Input


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as raised:
        model_files.load(folder)
    assert str(raised.value) == "\n".join(map(str, raised.value.problems))
    return str(raised.value)


def test_a_complete_folder_is_loaded(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "plain")
    loaded = model_files.load(folder)
    assert loaded.files == {"model.tflite": model_files.sha256(folder / "model.tflite")}
    assert loaded == card(files=loaded.files)


def test_a_folder_without_a_card_is_named(tmp_path: Path) -> None:
    assert (
        refused(tmp_path) == f"{tmp_path / 'model.toml'}: no such file: check the path"
    )


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path)
    with (folder / "model.tflite").open("ab") as file:
        file.write(b"\0")
    words = refused(folder)
    assert words.startswith(f"{folder / 'model.tflite'}: sha256 is ")
    assert "the file is damaged or not the one the card was made for" in words


def test_a_file_that_is_missing_is_refused_with_the_cure(tmp_path: Path) -> None:
    folder = model_folder(tmp_path)
    (folder / "model.tflite").unlink()
    assert refused(folder) == (
        f"{folder / 'model.tflite'}: No such file or directory: "
        "restore the file or train the model again"
    )


def test_a_pipe_is_refused_and_not_read(tmp_path: Path) -> None:
    folder = model_folder(tmp_path)
    (folder / "model.tflite").unlink()
    os.mkfifo(folder / "model.tflite")
    assert "model.tflite: is not a regular file: restore the file" in refused(folder)


@pytest.mark.parametrize(
    "name",
    ["../model.tflite", "/etc/passwd", "sub/model.tflite", "model.toml", "..", "a.so"],
)
def test_only_model_files_of_the_folder_can_be_listed(tmp_path: Path, name) -> None:
    folder = model_folder(tmp_path / "inner", text=CARD_TEXT + f'"{name}" = "00"\n')
    assert f"files: names {name!r}" in refused(folder)


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('version = "1"\n', "", "version", "missing"),
        ('version = "1"', "version = 1", "version", "text in quotes"),
        ('kind = "anomaly"', 'kind = "magic"', "kind", '"anomaly", "classifier"'),
        ('name = "plain"', 'nam = "plain"\nname = "a"', "nam", "did you mean name?"),
        ("rate_hz = 1000.0", "rate_hz = 0", "input.rate_hz", "above 0"),
        ("rate_hz = 1000.0", "rate_hz = nan", "input.rate_hz", "above 0"),
        ("window = 4", "window = 1", "input.window", "at least 2"),
        ("hop = 2", "hop = 5", "input", "hop 5 is not between 1 and window 4"),
        ("hop = 2", "hop = 0", "input.hop", "at least 1"),
        ('channels = ["x"]', "channels = []", "input", "name at least one"),
        ("hop = 2", "hop = 2\nfrozen_rows = 1", "input", "give 2 or more rows"),
        ("hop = 2", "hop = 2\nmin_quality = 1.1", "input.min_quality", "at most 1"),
        (
            'kind = "raw"',
            'kind = "fft"',
            "features.kind",
            "use one of envelope, log_spectrum, raw",
        ),
        ("remove_dc = false", "bands = 3", "features.bands", "unknown key"),
        ('score = "value"', 'score = "valu"', "output.score", '"value"'),
        (
            'score = "value"',
            'score = "probability"\nlabels = ["good", "bad"]\nnormal = "fine"',
            "output",
            "'fine' is not one of the labels",
        ),
        ("value = 1.0", "value = nan", "threshold.value", "is nan"),
        ("value = 1.0", "value = inf", "threshold.value", "is inf"),
        ("value = 1.0", "quantile = 0.9", "threshold.value", "missing"),
        ('"model.tflite"', '"other.tflite"', "", "files lacks model.tflite"),
        (
            "[files]",
            "[baseline]\ngravity = [0.0, 1.0]\n[files]",
            "",
            "gravity needs one number per channel",
        ),
        ('kind = "anomaly"', 'kind = "classifier"', "", "output.labels is missing"),
    ],
)
def test_a_card_with_a_wrong_value_is_refused(
    tmp_path: Path, old: str, new: str, key: str, words: str
) -> None:
    assert old in CARD_TEXT
    message = refused(model_folder(tmp_path, text=CARD_TEXT.replace(old, new, 1)))
    start = f"{tmp_path / 'model.toml'}: " + (f"{key}: " if key else "")
    assert message.startswith(start)
    assert words in message


def test_every_problem_of_a_card_is_reported(tmp_path: Path) -> None:
    text = CARD_TEXT.replace("window = 4", "window = 0").replace(
        "value = 1.0", 'value = "high"'
    )
    with pytest.raises(ModelError) as raised:
        model_files.load(model_folder(tmp_path, text=text))
    keys = [problem.key for problem in raised.value.problems]
    assert keys == ["input.window", "threshold.value"]


@pytest.mark.parametrize(
    ("kind", "score"),
    [("anomaly", "reconstruction"), ("regression", "value")],
)
def test_a_kind_has_its_usual_score(kind: str, score: str) -> None:
    assert card(kind=kind, output=cards.Output()).score == score


TAKES = {"channels": ("x", "y"), "unit": "g", "rate_hz": 100.0, "window": 64, "hop": 8}


@pytest.mark.parametrize(
    ("card", "why"),
    [
        ({}, None),
        ({"rate_hz": 104.0}, None),
        ({"unit": "m/s²"}, "is in g, the model takes m/s²"),
        ({"rate_hz": 106.0}, "runs at 100 Hz, the model takes 106 Hz ± 5.0%"),
        ({"channels": ("x",)}, "has 2 channels (x, y), the model takes 1 (x)"),
        ({"channels": ("y", "x")}, "has the channels x, y, the model takes y, x"),
        ({"window": 65}, "has 64 rows, a window of the model takes 65"),
    ],
)
def test_a_recording_that_does_not_fit_is_refused(card, why) -> None:
    reason = Input(**{**TAKES, **card}).why_not(
        channels=("x", "y"), unit="g", rate_hz=100.0, rows=64
    )
    assert reason == why if reason is None else reason.what == why


def test_the_channels_of_a_sensor_count_by_their_number() -> None:
    takes = Input(**TAKES)
    assert takes.why_not(channels=("a", "b"), unit="", rate_hz=None) is None
    assert takes.why_not(channels=("a",), unit="", rate_hz=None) is not None

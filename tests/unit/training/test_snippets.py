"""Recordings shorter than a window, or of few windows: one by one, or joined."""

import json

import numpy as np
import pytest

from sensorml.cli import main
from sensorml.errors import TrainingError
from sensorml.training import autoencoder
from sensorml.training.train import train

RATE_HZ = 400.0
FILES = 120


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(autoencoder, "STEPS", 100)


@pytest.fixture
def snippets(tmp_path):
    """Return a folder of files of 50 rows, without times."""
    return written(tmp_path / "snippets", [50] * FILES)


def written(folder, lengths):
    folder.mkdir()
    random = np.random.default_rng(0)
    for number, rows in enumerate(lengths):
        x = np.sin(0.7 * np.arange(rows)) + random.normal(0, 0.1, rows)
        lines = "\n".join(f"{value:.5f}" for value in x)
        (folder / f"{number}.csv").write_text(f"x\n{lines}\n")
    return folder


def test_joined_snippets_have_windows_that_fit_and_span_no_two_files(
    snippets, tmp_path
):
    trained = train([snippets], tmp_path / "model", rate_hz=RATE_HZ, join=True)
    assert trained.card.input.window == 32
    assert trained.card.input.min_quality == 1.0
    whole = sum(at // 50 == (at + 31) // 50 for at in range(0, 50 * FILES - 31, 16))
    assert trained.fitted + trained.calibrated == whole


def test_snippets_of_one_window_each_are_learnt_whole(snippets, tmp_path):
    trained = train(
        [snippets], tmp_path / "model", rate_hz=RATE_HZ, join=True, window=50
    )
    assert trained.fitted + trained.calibrated == FILES


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([50] * 120, "120 recordings have 50 rows each"),
        ([40, 60] * 60, "120 recordings have 40 to 60 rows each"),
    ],
)
def test_a_window_longer_than_the_snippets_is_refused_with_one_that_fits(
    tmp_path, lengths, words
):
    folder = written(tmp_path / "snippets", lengths)
    fits = min(lengths)
    with pytest.raises(TrainingError, match=rf"{words}.* choose --window {fits}, or"):
        train([folder], tmp_path / "m", rate_hz=RATE_HZ, join=True, window=100)
    train([folder], tmp_path / "m", rate_hz=RATE_HZ, join=True, window=fits)


def test_one_window_in_each_file_can_only_be_learnt_joined(snippets, tmp_path):
    with pytest.raises(TrainingError, match=r"holds one window of 50 rows.*use --join"):
        train([snippets], tmp_path / "model", rate_hz=RATE_HZ, window=50)


def test_scores_of_joined_snippets_are_those_of_the_windows_within_one(
    snippets, tmp_path, capsys
):
    model = tmp_path / "model"
    train([snippets], model, rate_hz=RATE_HZ, join=True, window=50)
    options = ["--rate", "400", "--model", str(model), str(snippets)]
    assert main(["score", *options, "--join", "--json"]) == 0
    replies = capsys.readouterr()
    [file] = json.loads(replies.out)["files"]
    assert (file["windows"], file["state"]) == (FILES, "normal")
    assert main(["score", *options, "--json"]) == 0
    replies = capsys.readouterr()
    assert json.loads(replies.out)["windows"] == FILES
    assert replies.err.count("read: ") == 1
    assert f"{FILES - 1} more read alike" in replies.err


def test_joined_snippets_shorter_than_the_window_of_the_model_are_refused(
    snippets, tmp_path, capsys
):
    model = tmp_path / "model"
    train([snippets], model, rate_hz=RATE_HZ, join=True, window=50)
    short = written(tmp_path / "short", [40] * 9)
    options = ["--rate", "400", "--model", str(model), "--join", str(short)]
    assert main(["score", *options]) == 1
    replies = capsys.readouterr()
    assert "has 40 rows, a window of the model takes 50" in replies.err
    assert not replies.out

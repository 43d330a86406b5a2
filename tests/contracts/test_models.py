"""The contract of every model folder that is shipped."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sensorml.inference import tflite_file
from sensorml.inference.tflite import TfliteEngine
from sensorml.pipeline import model_card as cards
from sensorml.pipeline import model_files
from sensorml.pipeline.pipeline import Pipeline
from sensorml.types import Block

MODELS = Path(__file__).parents[2] / "models"
FOLDERS = sorted(path.parent for path in MODELS.glob(f"*/{cards.CARD}"))


@pytest.fixture(params=FOLDERS, ids=lambda path: path.name)
def folder(request):
    return request.param


def test_the_model_of_the_demo_is_shipped():
    assert MODELS / "demo" in FOLDERS


def test_the_card_lists_every_file(folder):
    card = model_files.load(folder)
    assert card.name == folder.name
    assert set(card.files) == {path.name for path in folder.glob("*.tflite")}


def test_the_tensors_fit_the_card(folder):
    card = model_files.load(folder)
    for name in card.files:
        file = tflite_file.read(folder / name)
        assert tflite_file.why_not(file, card) is None
        assert file.edgetpu == (name == cards.EDGETPU_FILE)


def test_a_window_of_noise_gets_a_score(folder):
    card = model_files.load(folder)
    engine = TfliteEngine.load(folder / cards.CPU_FILE, card)
    shape = (card.input.window, len(card.input.channels))
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    block = Block(samples=noise, start_ns=0, rate_hz=card.input.rate_hz)
    (prediction,) = Pipeline(card, engine).step(block)
    assert np.isfinite(prediction.score)


def test_the_script_of_a_model_makes_it_again(folder, tmp_path):
    if not (folder / "make.py").exists():
        pytest.skip("this model has no make.py: it was not built here")
    subprocess.run([sys.executable, folder / "make.py", tmp_path], check=True)
    card, again = model_files.load(folder), model_files.load(tmp_path)
    assert again.input == card.input
    # Another version of numpy or another processor may round a weight differently.
    assert again.threshold.value == pytest.approx(card.threshold.value, rel=0.1)

"""Training on recordings of a ceiling fan, healthy and with a coin on a blade.

The recordings are by Shawn Hymel (MSA301, 200 Hz, three axes), in the folder that
SENSORML_DATA names.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from processes import sensorml

from sensorml.inference.tflite import TfliteEngine
from sensorml.pipeline import model_card as cards
from sensorml.pipeline import model_files
from sensorml.pipeline.pipeline import Pipeline
from sensorml.recordings import read, write_npz

pytestmark = pytest.mark.data

TRAINED = 0.6  # the share of each normal recording that is used for training


@pytest.fixture(scope="module")
def fan(tmp_path_factory):
    if "SENSORML_DATA" not in os.environ:
        pytest.skip("SENSORML_DATA does not name a folder of recordings")
    source = Path(os.environ["SENSORML_DATA"]) / "ceiling_fan"
    folder = tmp_path_factory.mktemp("fan")
    with np.load(source / "ceiling_fan_msa301_200hz_int16.npz") as data:
        for name in ("low_0", "med_0", "low_1", "med_1"):
            samples = (data[name] * data["lsb_g"]).astype(np.float32)
            seconds = (
                len(samples) if name.endswith("1") else int(TRAINED * len(samples))
            )
            save(folder / f"{name}.npz", samples[:seconds])
            if seconds < len(samples):
                save(folder / f"{name}_later.npz", samples[seconds:])
    files = [folder / "low_0.npz", folder / "med_0.npz"]
    train = sensorml(
        *("train", "--normal", *files, "--out", folder / "model"),
        *("--window", "200", "--hop", "200"),
    )
    assert train.returncode == 0, train.stderr
    return folder


def save(path, seconds):
    write_npz(
        path,
        samples=seconds.reshape(-1, 3),
        rate_hz=200.0,
        channels=("x", "y", "z"),
        unit="g",
        start_ns=0,
    )


def scores(folder, name):
    card = model_files.load(folder / "model")
    engine = TfliteEngine.load(folder / "model" / cards.CPU_FILE, card)
    pipeline = Pipeline(card, engine)
    recording = read(folder / f"{name}.npz")
    predictions = [p for block in recording.blocks() for p in pipeline.step(block)]
    return np.array([p.score for p in predictions]), card.threshold.value


def test_later_normal_data_gives_few_false_alarms(fan):
    for name in ("low_0_later", "med_0_later"):
        later, threshold = scores(fan, name)
        assert np.mean(later > threshold) <= 0.05


@pytest.mark.parametrize("speed", ["low", "med"])
def test_a_coin_on_a_blade_is_detected(fan, speed):
    later, _ = scores(fan, f"{speed}_0_later")
    coin, threshold = scores(fan, f"{speed}_1")
    area_under_roc = np.mean(coin[:, None] > later)
    assert area_under_roc >= 0.99
    assert np.mean(coin > threshold) >= 0.9

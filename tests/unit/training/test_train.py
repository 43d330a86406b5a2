"""Training: recordings of a vibrating machine to a model folder that judges it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.cli import main
from sensorml.commands import train as command
from sensorml.errors import OutputError, RecordingError, TrainingError
from sensorml.inference.tflite import TfliteEngine
from sensorml.pipeline import model_card as cards
from sensorml.pipeline import model_files
from sensorml.pipeline.features import statistics
from sensorml.pipeline.pipeline import Pipeline
from sensorml.recordings import read, write_npz
from sensorml.schema import decode_file
from sensorml.training import autoencoder, windows
from sensorml.training.card_writer import card_text
from sensorml.training.statistics import at_most, gravity
from sensorml.training.train import steps, train

RATE_HZ = 400.0
JANUARY_2026_NS = 1_767_225_600 * 10**9


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(autoencoder, "STEPS", 300)


def shaking(seconds, *, hz=30.0, seed=0, amplitude=0.1):
    random = np.random.default_rng(seed)
    t_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    x = 0.01 * random.standard_normal((len(t_s), 3))
    x += amplitude * np.sin(2 * np.pi * hz * t_s)[:, None] * [0.2, 0.7, 1.0]
    x[:, 2] += 1.0
    return x.astype(np.float32)


def recording(folder, name, samples, **options):
    path = folder / f"{name}.npz"
    options = {
        "rate_hz": RATE_HZ,
        "channels": ("x", "y", "z"),
        "unit": "g",
        "start_ns": JANUARY_2026_NS,
        **options,
    }
    write_npz(path, samples=samples, **options)
    return path


@pytest.fixture
def normal(tmp_path):
    return recording(tmp_path, "normal", shaking(60))


def scores(folder, path):
    card = model_files.load(folder)
    engine = TfliteEngine.load(folder / cards.CPU_FILE, card)
    pipeline = Pipeline(card, engine)
    judged = [p for block in read(path).blocks() for p in pipeline.step(block)]
    return np.array([p.score for p in judged]), card.threshold.value


def test_the_learnt_tone_is_normal_and_another_is_not(tmp_path, normal):
    train([normal], tmp_path / "model", window=128)
    later = recording(tmp_path, "later", shaking(30, seed=1))
    window_scores, threshold = scores(tmp_path / "model", later)
    assert np.mean(window_scores > threshold) < 0.05
    faulty = recording(tmp_path, "faulty", shaking(30, seed=2, hz=41.0))
    window_scores, threshold = scores(tmp_path / "model", faulty)
    assert np.mean(window_scores > threshold) > 0.95


def test_less_vibration_than_normal_is_an_anomaly(tmp_path, normal):
    train([normal], tmp_path / "model", window=128)
    weak = recording(tmp_path, "weak", shaking(30, seed=2, amplitude=0.03))
    window_scores, threshold = scores(tmp_path / "model", weak)
    assert np.mean(window_scores > threshold) > 0.95


def test_several_recordings_are_several_states_of_normal(tmp_path, normal):
    fast = recording(tmp_path, "fast", shaking(60, hz=55.0))
    train([normal, fast], tmp_path / "model", window=128)
    for seed, hz in ((1, 30.0), (2, 55.0)):
        later = recording(tmp_path, "later", shaking(30, seed=seed, hz=hz))
        window_scores, threshold = scores(tmp_path / "model", later)
        assert np.mean(window_scores > threshold) < 0.05


def test_the_same_recordings_and_seed_make_the_same_bytes(tmp_path, normal):
    for name in ("a", "b", "c"):
        train([normal], tmp_path / name, name="m", seed=int(name == "c"))
    for file in (cards.CARD, cards.CPU_FILE):
        a, b, c = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert a == b
        assert a != c


def test_the_card_lists_its_recordings_and_options(tmp_path, normal):
    trained = train([normal], tmp_path / "model", window=128, hop=32)
    card = model_files.load(tmp_path / "model")
    assert card == trained.card
    assert (card.name, card.input.window, card.input.hop) == ("model", 128, 32)
    assert card.input.channels == ("x", "y", "z")
    assert card.input.min_quality == 1.0
    assert card.threshold.date == "2026-01-01"
    assert card.threshold.windows == trained.calibrated
    assert card.provenance.recordings == ("normal.npz",)
    assert card.baseline.gravity == pytest.approx((0, 0, 1), abs=0.01)
    assert card.baseline.level == pytest.approx((0.017, 0.05, 0.071), abs=0.003)
    windows_in_all = (60 * RATE_HZ - 128) // 32 + 1
    assert trained.fitted + trained.calibrated == windows_in_all


def test_the_date_of_a_model_without_one_is_that_of_the_build(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    path = recording(tmp_path, "normal", shaking(30), start_ns=0)
    trained = train([path], tmp_path / "model", window=128)
    assert trained.card.threshold.date == "1970-01-02"


@pytest.mark.parametrize("kind", ["log_spectrum", "envelope", "statistics", "raw"])
def test_every_kind_of_features_makes_a_model(tmp_path, normal, kind):
    train([normal], tmp_path / "model", window=64, features=kind)
    window_scores, _ = scores(tmp_path / "model", normal)
    assert np.isfinite(window_scores).all()


def test_the_scale_of_the_samples_does_not_matter(tmp_path):
    window_scores = []
    for name, factor in (("g", 1.0), ("mg", 1000.0)):
        path = recording(tmp_path, name, shaking(60) * np.float32(factor), unit=name)
        train([path], tmp_path / f"model-{name}", window=128)
        window_scores.append(np.median(scores(tmp_path / f"model-{name}", path)[0]))
    assert window_scores[0] == pytest.approx(window_scores[1], rel=0.1)


def test_many_gaps_in_the_recordings_lower_the_quality_that_is_needed(tmp_path):
    t_ns = np.arange(int(60 * RATE_HZ)) * round(1e9 / RATE_HZ)
    t_ns += np.arange(len(t_ns)) // 500 * 20 * round(1e9 / RATE_HZ)
    path = recording(
        tmp_path, "gaps", shaking(60), t_ns=t_ns.astype(np.int64) + JANUARY_2026_NS
    )
    trained = train([path], tmp_path / "model", window=256)
    assert trained.card.input.min_quality == 0.5


def test_a_sensor_that_often_repeats_a_row_is_frozen_only_after_more_rows(tmp_path):
    held = np.repeat(shaking(20), 10, axis=0)
    path = recording(tmp_path, "held", held)
    trained = train([path], tmp_path / "model", window=128)
    assert trained.card.input.frozen_rows == 40
    trained = train([path], tmp_path / "model", window=32)
    assert trained.card.input.frozen_rows == 40


@pytest.mark.parametrize(
    ("rate_hz", "seconds", "window"),
    [(800, 60, 512), (1600, 60, 512), (3200, 60, 1024), (800, 15, 256), (1, 1000, 32)],
)
def test_the_window_follows_sample_rate_and_length(tmp_path, rate_hz, seconds, window):
    samples = np.zeros((rate_hz * seconds, 1), np.float32)
    path = recording(tmp_path, "any", samples, rate_hz=float(rate_hz), channels=("x",))
    chosen = windows.choose([read(path)], None, None)
    assert chosen == (window, window // 2)


def test_too_short_recordings_are_refused_with_the_length_needed(tmp_path):
    path = recording(tmp_path, "short", shaking(2))
    with pytest.raises(TrainingError, match=r"hold 5 windows of 256.*record 20 s"):
        train([path], tmp_path / "model", window=256)


def test_a_recording_without_change_is_refused(tmp_path):
    path = recording(tmp_path, "dead", np.ones((20_000, 3), np.float32))
    with pytest.raises(TrainingError, match="'x', 'y', 'z' are 1 in all 20000 rows"):
        train([path], tmp_path / "model", window=128)
    with pytest.raises(TrainingError, match="do not change"):
        train([path], tmp_path / "model", window=128, force=True)


def test_a_dead_channel_does_not_affect_the_others(tmp_path):
    samples = shaking(60)
    samples[:, 0] = 0
    path = recording(tmp_path, "dead-x", samples)
    train([path], tmp_path / "model", window=128, force=True)
    window_scores, threshold = scores(tmp_path / "model", path)
    assert np.mean(window_scores > threshold) < 0.05


def test_nan_is_refused_with_its_row(tmp_path):
    samples = shaking(30)
    samples[70] = np.nan
    path = recording(tmp_path, "nan", samples)
    with pytest.raises(RecordingError, match="row 71"):
        train([path], tmp_path / "model")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"channels": ("a", "b", "c")}, r"channels \(a, b, c\) differs"),
        ({"unit": "m/s^2"}, r"unit \(m/s\^2\) differs"),
        ({"rate_hz": 800.0}, "one sample rate"),
    ],
)
def test_recordings_of_different_sensors_are_refused(tmp_path, normal, options, reason):
    other = recording(tmp_path, "other", shaking(30), **options)
    with pytest.raises(TrainingError, match=rf"other\.npz: .*{reason}"):
        train([normal, other], tmp_path / "model")


def test_an_impossible_hop_and_an_unknown_architecture_are_refused(tmp_path, normal):
    with pytest.raises(TrainingError, match="hop 65 are impossible"):
        train([normal], tmp_path / "model", window=64, hop=65)
    with pytest.raises(TrainingError, match="use one of dense, small"):
        train([normal], tmp_path / "model", arch="transformer")


def test_a_failure_leaves_the_old_model_and_nothing_else(tmp_path, normal):
    folder = tmp_path / "models" / "model"
    train([normal], folder, window=128)
    before = (folder / cards.CARD).read_bytes()
    with pytest.raises(TrainingError):
        train([normal], folder, window=100_000)
    assert (folder / cards.CARD).read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_an_old_model_is_replaced(tmp_path, normal):
    folder = tmp_path / "models" / "model"
    train([normal], folder, window=128)
    train([normal], folder, window=64)
    assert model_files.load(folder).input.window == 64
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_nothing_but_a_model_is_replaced(tmp_path, normal):
    with pytest.raises(OutputError, match="holds other files and no model"):
        train([normal], tmp_path)
    with pytest.raises(OutputError, match="is no folder"):
        train([normal], normal)
    assert normal.is_file()


def test_progress_is_reported_once_for_each_step(tmp_path, normal):
    steps_reported = []
    train(
        [normal, normal], tmp_path / "model", window=128, report=steps_reported.append
    )
    assert len(steps_reported) == steps(2)


@given(of=st.integers(1, 300), hits=st.integers(0, 300))
def test_the_upper_limit_of_a_rate_is_that_of_clopper_and_pearson(of, hits):
    beta = pytest.importorskip("scipy.stats").beta
    hits = min(hits, of)
    expected = 1.0 if hits == of else beta.ppf(0.95, hits + 1, of - hits)
    assert math.isclose(at_most(hits, of), expected, rel_tol=1e-6)


def test_gravity_is_recorded_only_where_it_is_measured_and_constant():
    down = np.tile(np.array([[0, 0, 1]], np.float32), (50, 1))
    assert gravity(down, "g", 5.0) == (0, 0, 1)
    assert gravity(down * np.float32(9.81), "m/s^2", 5.0) == (0, 0, 9.81)
    assert gravity(down, "V", 5.0) == ()
    assert gravity(down[:, 2:], "g", 5.0) == ()
    assert gravity(down * np.float32(0.1), "g", 5.0) == ()
    turned = np.concatenate([down, down[:, [0, 2, 1]]])
    assert gravity(turned, "g", 5.0) == ()


def test_a_card_is_read_as_it_was_written(tmp_path):
    card = cards.Card(
        name='quote " backslash \\ ünit',
        version="1",
        kind="classifier",
        input=cards.Input(channels=("a b",), unit="", rate_hz=1e-5, window=4, hop=2),
        features=statistics.Features(mean=(1e30, -0.1), values=("rms", "peak")),
        output=cards.Output(
            score="probability",
            labels=tuple(f"label {i}" for i in range(20)),
            normal="label 3",
        ),
        threshold=cards.Threshold(value=0.5),
        missing=cards.Missing(rows=1, moves_score=0.2, windows=50),
        files={cards.CPU_FILE: "00"},
    )
    path = tmp_path / cards.CARD
    path.write_text(card_text(card), encoding="utf-8")
    assert decode_file(path, cards.Card) == card


def test_the_command_trains_and_prints_a_summary(tmp_path, normal, capsys):
    arguments = ["train", "--normal", str(normal), "--window", "128"]
    assert main([*arguments, "--out", str(tmp_path / "model")]) == 0
    words = capsys.readouterr()
    card = model_files.load(tmp_path / "model")
    assert f"threshold    {card.threshold.value:g}\n" in words.out
    assert f"folder       {tmp_path / 'model'}\n" in words.out
    assert f"train {steps(1)}/{steps(1)}: calibrate on normal.npz" in words.err
    assert len(words.err.splitlines()) <= 10
    assert (
        "\nEdge TPU     4 operators, all supported: FULLY_CONNECTED v4 × 4;"
        in words.out
    )
    assert f" edgetpu_compiler {tmp_path / 'model' / cards.CPU_FILE}\n" in words.out


def test_the_command_prints_errors_to_stderr(tmp_path, normal, capsys):
    arguments = ["train", "--out", str(tmp_path / "model"), "--normal"]
    assert main([*arguments, str(tmp_path / "none.npz")]) == 1
    assert "none.npz: there is no such file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, str(normal), "--window", "0"])
    assert "argument --window: 0 is not 1 or more" in capsys.readouterr().err


def test_the_command_offers_every_architecture():
    assert tuple(autoencoder.ARCHITECTURES) == command._ARCHITECTURES

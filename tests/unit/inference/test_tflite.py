"""The TFLite engine: results, batches, failures, messages on stderr."""

import itertools
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sensorml.errors import DelegateError, ModelError
from sensorml.inference import tflite
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.quantisation import from_tensor, to_tensor
from sensorml.inference.tflite import BATCH, TfliteEngine
from sensorml.inference.tflite_file import Tensor, parse
from sensorml.pipeline import model_card as cards
from sensorml.pipeline.features import log_spectrum, raw
from sensorml.training.tflite_writer import Dense, Scale, float_model, int8_model

F = 24
CARD = cards.Card(
    name="test",
    version="1",
    kind="anomaly",
    input=cards.Input(channels=("x",), unit="g", rate_hz=100, window=64, hop=32),
    features=log_spectrum.Features(bands=F),
    threshold=cards.Threshold(value=1.0),
    files={cards.CPU_FILE: ""},
)


def layers(*sizes):
    random = np.random.default_rng(1)
    return [
        Dense(
            random.standard_normal((b, a)).astype(np.float32) / np.sqrt(a),
            random.standard_normal(b).astype(np.float32) / 10,
            relu=i < len(sizes) - 2,
        )
        for i, (a, b) in enumerate(itertools.pairwise(sizes))
    ]


def rows(n):
    return np.random.default_rng(2).standard_normal((n, F)).astype(np.float32)


@pytest.fixture(params=["float32", "int8"])
def engine(request, tmp_path):
    net = layers(F, 8, F)
    data = (
        float_model(net)
        if request.param == "float32"
        else int8_model(net, [Scale.covering(-4, 4)] * 3)
    )
    return loaded(tmp_path, data)


def loaded(folder, data, card=CARD, **options):
    path = folder / cards.CPU_FILE
    path.write_bytes(data)
    return TfliteEngine.load(path, card, **options)


def test_the_reported_runtime_has_built_an_interpreter():
    assert tflite.runtime().name in {"ai-edge-litert", "tflite-runtime"}


def test_a_float_model_computes_what_numpy_computes(tmp_path):
    net = layers(F, 8, F)
    engine = loaded(tmp_path, float_model(net))
    x = rows(5)
    hidden = np.maximum(x @ net[0].weight.T + net[0].bias, 0)
    expected = hidden @ net[1].weight.T + net[1].bias
    np.testing.assert_allclose(engine.infer(x).outputs, expected, atol=1e-5)


def test_an_int8_model_is_within_a_few_steps_of_the_float_one(tmp_path):
    net = layers(F, 8, F)
    quantised = loaded(tmp_path, int8_model(net, [Scale.covering(-4, 4)] * 3))
    exact = loaded(tmp_path, float_model(net))
    x = rows(100)
    error = quantised.infer(x).outputs - exact.infer(x).outputs
    assert np.abs(error).max() < 4 * 8 / 255


@pytest.mark.parametrize("n", [1, 2, 7, 8, 63, 64, 65, 200])
def test_a_batch_has_the_results_of_single_windows(engine, n):
    x = rows(n)
    singly = np.concatenate([engine.infer(x[i : i + 1]).outputs for i in range(n)])
    together = engine.infer(x).outputs
    assert together.shape == (n, F)
    assert together.dtype == np.float32
    if engine._file.inputs[0].dtype == "int8":
        assert (together == singly).all()
    else:
        np.testing.assert_allclose(together, singly, rtol=1e-5, atol=1e-6)


def test_results_are_not_overwritten_by_the_next_call(engine):
    x = rows(2)
    first = engine.infer(x[:1]).outputs
    kept = first.copy()
    engine.infer(x[1:])
    assert (first == kept).all()


def test_features_are_not_changed(engine):
    x = rows(BATCH + 3)
    kept = x.copy()
    engine.infer(x)
    assert (x == kept).all()


def test_a_model_that_cannot_be_batched_runs_one_window_at_a_time(engine, monkeypatch):
    opened = []

    def only_one(content, *, batch=1, **options):
        opened.append(batch)
        if batch > 1:
            raise ModelError("its RESHAPE has a constant shape")
        return original(content, batch=batch, **options)

    original = tflite._interpreter
    expected = engine.infer(rows(BATCH)).outputs
    monkeypatch.setattr(tflite, "_interpreter", only_one)
    stubborn = TfliteEngine(engine._file, 1, None)
    assert np.allclose(stubborn.infer(rows(BATCH)).outputs, expected, atol=1e-6)
    stubborn.infer(rows(BATCH))
    assert opened == [1, BATCH]


class Failing:
    """An interpreter whose next call fails as the runtimes do, then works."""

    def __init__(self, real):
        self._real = real

    def __getattr__(self, name):
        return getattr(self._real, name)

    def invoke(self):
        raise RuntimeError("first line\nsecond line\nsecond line")


def test_after_a_failure_the_interpreter_is_built_again(engine):
    good = engine.infer(rows(BATCH)).outputs
    engine._one._interpreter = Failing(engine._one._interpreter)
    with pytest.raises(DelegateError, match=r"^cpu: first line$"):
        engine.infer(rows(1))
    assert (engine.infer(rows(BATCH)).outputs == good).all()
    assert engine._many is not None


def test_a_file_that_does_not_fit_the_card_is_refused_before_it_is_run(tmp_path):
    card = msgspec.structs.replace(CARD, features=log_spectrum.Features(bands=16))
    with pytest.raises(ModelError, match="takes 24 values, the card's features are 16"):
        loaded(tmp_path, float_model(layers(F, 8, F)), card)


def test_an_operator_that_the_runtime_lacks_is_named(tmp_path):
    data = float_model(layers(F, 8, F))
    one, many = b"\x01\0\0\0", b"\x63\0\0\0"  # version 1, and one to come
    places = [at for at in range(0, len(data), 4) if data[at : at + 4] == one]
    newer = [data[:at] + many + data[at + 4 :] for at in places]
    (only,) = [each for each in newer if versions(each) == {0x63}]
    with pytest.raises(ModelError, match=r"FULLY_CONNECTED.*99"):
        loaded(tmp_path, only)


def versions(data):
    try:
        return {op.version for op in parse(data).ops}
    except ModelError:
        return set()


@pytest.mark.data
def test_a_model_for_the_edge_tpu_is_refused_with_a_cure():
    if "SENSORML_DATA" not in os.environ:
        pytest.skip("SENSORML_DATA does not name the folder of real recordings")
    folder = Path(os.environ["SENSORML_DATA"]) / "edgetpu"
    path = folder / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    card = cards.Card(
        name="mobilenet",
        version="1",
        kind="classifier",
        input=cards.Input(
            channels=("r", "g", "b"), unit="", rate_hz=1, window=128 * 128, hop=1
        ),
        features=raw.Features(),
        output=cards.Output(labels=tuple(str(i) for i in range(1001))),
        threshold=cards.Threshold(value=0.5),
        files={cards.CPU_FILE: ""},
    )
    with pytest.raises(ModelError, match="use the CPU file of the pair"):
        TfliteEngine.load(path, card)
    cpu = TfliteEngine.load(path.with_name("mobilenet_v1_0.25_128_quant.tflite"), card)
    x = np.zeros((2, 3 * 128 * 128), np.float32)
    outputs = cpu.infer(x).outputs
    assert outputs.shape == (2, 1001)
    assert outputs.min() >= 0
    assert 0.3 < outputs[0].sum() < 1.1  # each is rounded to 1/256


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_delegate_whose_library_is_missing_is_named(tmp_path):
    nowhere = Accelerator("edgetpu-usb", str(tmp_path / "libnone.so"), {})
    with pytest.raises(DelegateError, match=r"edgetpu-usb: .*libnone\.so"):
        loaded(tmp_path, float_model(layers(F, F)), accelerator=nowhere)


def test_nothing_is_printed_from_c(tmp_path, capfd):
    loaded(tmp_path, float_model(layers(F, 8, F))).infer(rows(BATCH))
    assert capfd.readouterr().err == ""


def test_other_output_on_stderr_is_passed_on(capfd):
    with tflite.stderr.without(b"INFO: noise"):
        os.write(2, b"INFO: noise\nERROR: signal\n")
    assert capfd.readouterr().err == "ERROR: signal\n"


@given(
    dtype=st.sampled_from(["int8", "uint8"]),
    scale=st.floats(0.0009765625, 8, width=32),
    zero_point=st.integers(0, 127),
    values=hnp.arrays(np.float32, (3, 4), elements=st.floats(-1e6, 1e6, width=32)),
)
def test_quantising_rounds_and_saturates_as_the_specification_says(
    dtype, scale, zero_point, values
):
    tensor = Tensor("t", (1, 4), dtype, (scale,), (zero_point,))
    info = np.iinfo(dtype)
    integers = to_tensor(tensor, 3)(values)
    steps = np.rint(values / np.float32(scale)) + zero_point
    assert (integers == np.clip(steps, info.min, info.max).astype(dtype)).all()
    back = from_tensor(tensor)(integers)
    inside = (steps > info.min) & (steps < info.max)
    assert (np.abs(back - values)[inside] <= scale * 0.5001 + 1e-6).all()


def test_nan_becomes_the_lowest_integer_without_a_warning():
    tensor = Tensor("t", (1, 2), "int8", (0.1,), (0,))
    integers = to_tensor(tensor, 1)(np.array([[np.nan, 0.1]], np.float32))
    assert integers.tolist() == [[-128, 1]]

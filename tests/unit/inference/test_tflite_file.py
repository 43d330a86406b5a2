"""The reader of .tflite files: contents, damaged files, fit with the card."""

import contextlib
import itertools
import os
from pathlib import Path

import flatbuffers
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.errors import ModelError
from sensorml.inference.tflite_file import parse, read, why_not
from sensorml.pipeline import model_card as cards
from sensorml.pipeline.features import log_spectrum
from sensorml.training.tflite_writer import Dense, Scale, float_model, int8_model

FEATURES = 6


def layers(*sizes, seed=0):
    random = np.random.default_rng(seed)
    return [
        Dense(
            random.standard_normal((outputs, inputs)).astype(np.float32),
            random.standard_normal(outputs).astype(np.float32),
            relu=i < len(sizes) - 2,
        )
        for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes))
    ]


FLOAT = float_model(layers(FEATURES, 3, FEATURES))
INT8 = int8_model(layers(FEATURES, 3, FEATURES), [Scale.covering(-3, 3)] * 3)

CARD = cards.Card(
    name="test",
    version="1",
    kind="anomaly",
    input=cards.Input(channels=("x",), unit="g", rate_hz=100, window=32, hop=16),
    features=log_spectrum.Features(bands=FEATURES),
    threshold=cards.Threshold(value=1.0),
    files={cards.CPU_FILE: ""},
)


def test_a_pipe_or_device_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(ModelError, match=f"{name}: is not a regular file"):
            read(tmp_path / name)
    with pytest.raises(ModelError, match="Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("head", "why"),
    [(b"", "is not a TFLite file"), (INT8[:8], "has 1024 MB, the limit is 256 MB")],
)
def test_a_huge_file_is_refused_before_it_is_read(tmp_path, head, why):
    path = tmp_path / "huge.tflite"
    path.write_bytes(head)
    os.truncate(path, 2**30)
    with pytest.raises(ModelError, match=why):
        read(path)


def test_an_int8_model_is_described_as_it_was_written():
    file = parse(INT8)
    assert [(op.builtin, op.version) for op in file.ops] == [(9, 4), (9, 4)]
    (tensor,) = file.inputs
    assert (tensor.dtype, tensor.shape, tensor.size) == ("int8", (1, FEATURES), 6)
    assert tensor.scale == pytest.approx((6 / 255,), rel=1e-5)
    assert not file.edgetpu


@pytest.mark.parametrize("data", [FLOAT, INT8], ids=["float", "int8"])
def test_it_agrees_with_the_schema_of_ai_edge_litert(data):
    schema = pytest.importorskip(
        "ai_edge_litert.schema_py_generated", reason="ai-edge-litert is not installed"
    )
    agrees(schema, data)


@pytest.mark.data
def test_it_agrees_with_the_schema_on_a_foreign_model():
    schema = pytest.importorskip(
        "ai_edge_litert.schema_py_generated", reason="ai-edge-litert is not installed"
    )
    for path in sorted((data_folder() / "edgetpu").glob("*.tflite")):
        agrees(schema, path.read_bytes())


def agrees(schema, data):
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
    graph = model.subgraphs[0]
    file = parse(data)
    names = {
        value: name.lower()
        for name, value in vars(schema.TensorType).items()
        if isinstance(value, int)
    }
    assert len(file.tensors) == len(graph.tensors)
    for mine, theirs in zip(file.tensors, graph.tensors, strict=True):
        assert mine.name == theirs.name.decode()
        assert mine.shape == tuple(theirs.shape)
        assert mine.dtype == names[theirs.type]
        scale = getattr(theirs.quantization, "scale", None)
        assert mine.scale == tuple(() if scale is None else scale)
    assert file.inputs == tuple(file.tensors[i] for i in graph.inputs)
    assert file.outputs == tuple(file.tensors[i] for i in graph.outputs)
    codes = [model.operatorCodes[op.opcodeIndex] for op in graph.operators]
    assert [op.version for op in file.ops] == [code.version for code in codes]
    lengths = [0 if b.data is None else len(b.data) for b in model.buffers]
    assert file.buffers == tuple(lengths)
    for mine, theirs in zip(file.ops, graph.operators, strict=True):
        used = [graph.tensors[i].type for i in (*theirs.inputs, *theirs.outputs)]
        assert mine.dtypes == tuple(names[kind] for kind in used)


def test_a_shape_that_is_set_at_run_time_is_dynamic():
    schema = pytest.importorskip(
        "ai_edge_litert.schema_py_generated", reason="ai-edge-litert is not installed"
    )
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(INT8, 0))
    model.subgraphs[0].tensors[0].shapeSignature = [-1, FEATURES]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    dynamic = [tensor.dynamic for tensor in parse(bytes(builder.Output())).tensors]
    assert dynamic == [True] + [False] * 6


@pytest.mark.data
def test_a_model_compiled_for_the_edge_tpu_is_recognised_by_its_operators():
    folder = data_folder() / "edgetpu"
    stem = "mobilenet_v1_0.25_128_quant"
    assert not read(folder / f"{stem}.tflite").edgetpu
    assert read(folder / f"{stem}_edgetpu.tflite").edgetpu


@pytest.mark.data
def test_a_truncated_real_model_is_refused():
    for path in sorted((data_folder() / "edgetpu").glob("*.tflite")):
        whole = path.read_bytes()
        # The model is followed by a zip archive of labels, which may be cut off.
        end = whole.rfind(b"PK\x03\x04") - 16
        for length in np.linspace(0, end, 60).astype(int):
            with pytest.raises(ModelError):
                parse(whole[:length])


def test_every_truncation_is_refused():
    for whole in (FLOAT, INT8):
        for length in range(len(whole)):
            with pytest.raises(ModelError):
                parse(whole[:length])


@given(st.sampled_from([FLOAT, INT8]), st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(whole, draw):
    damaged = bytearray(whole)
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(whole) - 1))
        damaged[at] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(ModelError):
        assert parse(bytes(damaged)).data == damaged


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_and_nothing_else(data):
    with pytest.raises(ModelError):
        parse(data[:4] + b"TFL3" + data[8:])


def test_a_file_that_is_no_model_is_refused_with_a_sentence(tmp_path: Path):
    path = tmp_path / "model.tflite"
    with pytest.raises(ModelError, match="No such file"):
        read(path)
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="not a TFLite file"):
        read(path)
    path.write_bytes(INT8[: len(INT8) // 2])
    with pytest.raises(ModelError, match=r"model\.tflite: is cut off or damaged"):
        read(path)


def test_a_file_that_fits_its_card_has_no_reason_against_it():
    assert why_not(parse(INT8), CARD) is None
    assert why_not(parse(FLOAT), CARD) is None


def test_an_input_of_another_size_does_not_fit():
    wider = msgspec.structs.replace(CARD, features=log_spectrum.Features(bands=8))
    assert str(why_not(parse(INT8), wider)) == (
        "its input takes 6 values, the card's features are 8"
    )


def test_an_output_that_is_no_reconstruction_does_not_fit():
    file = parse(float_model(layers(FEATURES, 2)))
    assert str(why_not(file, CARD)) == "its output has 2 values, a reconstruction 6"


def test_a_classifier_has_an_output_for_each_label():
    file = parse(float_model(layers(FEATURES, 2)))
    output = cards.Output(score="probability", labels=("a", "b"), normal="a")
    two = msgspec.structs.replace(CARD, kind="classifier", output=output)
    assert why_not(file, two) is None
    output = msgspec.structs.replace(output, labels=("a", "b", "c"))
    three = msgspec.structs.replace(two, output=output)
    assert (
        str(why_not(file, three)) == "its output has 2 values, the card names 3 labels"
    )


def data_folder() -> Path:
    if "SENSORML_DATA" not in os.environ:
        pytest.skip("SENSORML_DATA does not name the folder of real recordings")
    return Path(os.environ["SENSORML_DATA"])

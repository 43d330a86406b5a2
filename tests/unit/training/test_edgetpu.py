"""The mapping of a model by edgetpu_compiler, predicted from its operators."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from delegate import pair
from support import card

from sensorml.delegates.descriptor import ModelNeeds
from sensorml.delegates.qualification import twin
from sensorml.errors import ModelError
from sensorml.inference import operators
from sensorml.inference.tflite_file import CUSTOM, Op, parse, read
from sensorml.pipeline.model_card import EDGETPU_FILE, Input, Output
from sensorml.training.edgetpu import DTYPES, commands, report, why_not
from sensorml.training.tflite_writer import Dense, Scale, float_model, int8_model

LAYERS = [
    Dense(
        np.ones((outputs, inputs), np.float32), np.ones(outputs, np.float32), relu=False
    )
    for inputs, outputs in itertools.pairwise((40, 10, 40))
]
INT8 = parse(int8_model(LAYERS, [Scale.covering(-3, 3)] * 3))
FULLY_CONNECTED, TILE, RESHAPE = 9, 69, 22


def op(builtin, version=1, dtypes=("int8", "int32", "int8")):
    return Op(builtin, "", version, dtypes)


def test_a_trained_model_is_mapped_completely():
    assert why_not(INT8) is None
    assert report(INT8) == (
        "2 operators, all supported: FULLY_CONNECTED v4 × 2; 1 kB of 8 MB of parameters"
    )


def test_a_float_model_is_not_mapped_and_the_reason_is_given():
    reason = report(parse(float_model(LAYERS)))
    assert reason == "in part: its input is float32: quantise it fully to int8"


def test_the_first_operator_that_is_not_mapped_ends_the_part_for_the_edge_tpu():
    file = INT8._replace(ops=(op(RESHAPE), op(TILE), op(FULLY_CONNECTED, 4)))
    assert str(why_not(file)) == (
        "operator 2 of 3, TILE, is not listed as supported: "
        "it and all after it stay on the CPU"
    )


@pytest.mark.parametrize(("version", "mapped"), [(1, True), (4, True), (9, False)])
def test_an_operator_of_a_newer_version_is_not_mapped(version, mapped):
    reason = why_not(INT8._replace(ops=(op(FULLY_CONNECTED, version),)))
    assert (reason is None) is mapped
    assert mapped or "FULLY_CONNECTED, is v9 and listed as supported up to v4" in str(
        reason
    )


def test_an_operator_between_integers_that_works_on_floats_is_found():
    file = INT8._replace(ops=(op(RESHAPE, dtypes=("float32", "int32", "float32")),))
    assert "RESHAPE, works on float32" in str(why_not(file))


def test_a_tensor_without_a_fixed_shape_is_named():
    loose = INT8.tensors[3]._replace(dynamic=True)
    file = INT8._replace(tensors=(*INT8.tensors[:3], loose, *INT8.tensors[4:]))
    assert why_not(file).what == "tensor dense0 has no fixed shape"


def test_a_custom_operator_is_called_by_its_name():
    reason = why_not(parse(pair.compiled_model(4)))
    assert "edgetpu-custom-op, is not listed" in str(reason)


def test_parameters_that_do_not_fit_on_the_chip_are_reported():
    reason = report(INT8._replace(buffers=(9_000_000,)))
    assert "9000 kB of 8 MB of parameters, the rest is sent with every window" in reason


def test_commands_can_be_pasted_whatever_the_folder_is_called():
    assert commands(Path("models/my motor")) == (
        "edgetpu_compiler 'models/my motor/model.tflite'",
        "sensorml train --pair model_edgetpu.tflite --out 'models/my motor'",
    )


def test_operators_have_the_names_of_the_schema():
    schema = pytest.importorskip(
        "ai_edge_litert.schema_py_generated", reason="ai-edge-litert is not installed"
    )
    theirs = {v: k for k, v in vars(schema.BuiltinOperator).items() if k[0] != "_"}
    for number in set(range(162)) - {CUSTOM}:
        assert operators.name(op(number)) == theirs[number]
    assert operators.name(op(200)) == "operator 200"


@pytest.mark.data
def test_the_cpu_file_of_a_real_pair_is_mapped_and_the_other_its_twin():
    if "SENSORML_DATA" not in os.environ:
        pytest.skip("SENSORML_DATA does not name the folder of real recordings")
    folder = Path(os.environ["SENSORML_DATA"]) / "edgetpu"
    cpu = read(folder / "mobilenet_v1_0.25_128_quant.tflite")
    compiled = folder / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    assert "DEPTHWISE_CONV_2D v1 × 13" in report(cpu)
    assert "all supported" in report(cpu)
    channels, window = ("r", "g", "b"), 128 * 128
    wants = Input(channels=channels, unit="", rate_hz=1, window=window, hop=window)
    labels = tuple(str(i) for i in range(1001))
    image = card(kind="classifier", input=wants, output=Output(labels=labels))
    needs = ModelNeeds(file=EDGETPU_FILE, dtypes=DTYPES)
    assert twin(compiled, needs, image, cpu).edgetpu
    with pytest.raises(ModelError, match="has no part for the Edge TPU"):
        twin(
            compiled.with_name("mobilenet_v1_0.25_128_quant.tflite"), needs, image, cpu
        )

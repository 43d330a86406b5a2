"""The writer of .tflite files, checked by the reader and by the runtime."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import parse
from sensorml.training.tflite_writer import Dense, Scale, float_model, int8_model


def layers(sizes, seed):
    random = np.random.default_rng(seed)
    return [
        Dense(
            random.standard_normal((b, a)).astype(np.float32) / np.sqrt(a),
            random.standard_normal(b).astype(np.float32) / 10,
            relu=i < len(sizes) - 2,
        )
        for i, (a, b) in enumerate(itertools.pairwise(sizes))
    ]


def computed(net, x):
    for layer in net:
        x = x @ layer.weight.T + layer.bias
        x = np.maximum(x, 0) if layer.relu else x
    return x


@given(
    sizes=st.lists(st.integers(1, 20), min_size=2, max_size=5), seed=st.integers(0, 9)
)
def test_every_chain_of_layers_runs_and_computes_its_layers(sizes, seed):
    net = layers(sizes, seed)
    x = np.random.default_rng(seed).standard_normal((3, sizes[0])).astype(np.float32)
    engine = TfliteEngine(parse(float_model(net)), 1, None)
    expected = computed(net, x)
    np.testing.assert_allclose(engine.infer(x).outputs, expected, rtol=1e-4, atol=1e-5)


def test_int8_uses_only_what_edgetpu_compiler_and_old_runtimes_support():
    file = parse(int8_model(layers((12, 4, 12), 0), [Scale.covering(-3, 3)] * 3))
    assert {(op.builtin, op.version) for op in file.ops} == {(9, 4)}
    assert {tensor.dtype for tensor in file.tensors} == {"int8", "int32"}
    assert all(len(tensor.scale) == 1 for tensor in file.tensors)
    weights = [t for t in file.tensors if t.name.startswith("weight")]
    assert [t.zero_point for t in weights] == [(0,), (0,)]


def test_a_bias_has_the_scale_of_the_products_it_is_added_to():
    file = parse(int8_model(layers((12, 4), 0), [Scale.covering(-3, 3)] * 2))
    given_, weight, bias, _ = file.tensors
    assert bias.scale[0] == pytest.approx(given_.scale[0] * weight.scale[0])


def test_the_same_layers_make_the_same_bytes():
    net = layers((12, 4, 12), 0)
    scales = [Scale.covering(-3, 3)] * 3
    assert int8_model(net, scales) == int8_model(net, scales)


@given(low=st.floats(-1e3, 1e3), high=st.floats(-1e3, 1e3))
def test_a_scale_covers_its_range_and_has_zero_on_a_step(low, high):
    low, high = sorted((low, high))
    scale = Scale.covering(low, high)
    assert -128 <= scale.zero_point <= 127
    lowest = scale.scale * (-128 - scale.zero_point)
    highest = scale.scale * (127 - scale.zero_point)
    assert lowest <= low + scale.scale
    assert highest >= high - scale.scale


def test_layers_that_are_all_zero_are_written_too():
    zero = [Dense(np.zeros((3, 3), np.float32), np.zeros(3, np.float32), relu=False)]
    engine = TfliteEngine(parse(int8_model(zero, [Scale.covering(0, 0)] * 2)), 1, None)
    assert engine.infer(np.ones((1, 3), np.float32)).outputs.tolist() == [[0, 0, 0]]

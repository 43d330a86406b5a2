"""The bare loop: numpy and the interpreter, and nothing else.

It is the shortest program for one healthy recording and one model, without gaps,
clipping, states, alarms and a journal. It computes the same features and the same
invokes as sensorml. As a program it scores a recording in batches.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter

Array = NDArray[np.float32]


def model(folder: Path, batch: int) -> tuple[dict[str, int], Callable[[Array], Array]]:
    """Return window and hop, and a function from windows to their scores."""
    with (folder / "model.toml").open("rb") as file:
        card = tomllib.load(file)
    card_input, spec = card["input"], card["features"]
    window = card_input["window"]
    interpreter = Interpreter(str(folder / "model.tflite"), num_threads=1)
    input_details = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(
        input_details["index"], (batch, *input_details["shape"][1:])
    )
    interpreter.allocate_tensors()
    input_details = interpreter.get_input_details()[0]
    output_details = interpreter.get_output_details()[0]
    in_scale, in_zero = input_details["quantization"]
    out_scale, out_zero = output_details["quantization"]

    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype("f4")
    factor = np.full(window // 2 + 1, 2.0)
    factor[0] = factor[-1] = 1
    factor = (factor / (window * np.square(hann).sum())).astype("f4")
    bin_hz = card_input["rate_hz"] / window
    first = max(1, round(spec.get("low_hz", 0.0) / bin_hz))
    high_hz = spec.get("high_hz", card_input["rate_hz"] / 2)
    last = min(window // 2, round(high_hz / bin_hz))
    edges = np.linspace(first, last + 1, spec["bands"] + 1).round().astype(int)
    floor = np.float32(spec["floor"])
    mean, std = (np.array(spec[key], "f4") for key in ("mean", "std"))

    def score(windows: Array) -> Array:
        x = windows - windows.mean(axis=2, keepdims=True)
        spectrum = np.fft.rfft(x * hann)
        power = (spectrum.real**2 + spectrum.imag**2) * factor
        bands = np.add.reduceat(power[..., : edges[-1]], edges[:-1], axis=2)
        features = (np.log(bands + floor).reshape(len(x), -1) - mean) / std
        quantised = np.clip(np.rint(features / in_scale + in_zero), -128, 127)
        interpreter.set_tensor(
            input_details["index"],
            quantised.astype(np.int8).reshape(input_details["shape"]),
        )
        interpreter.invoke()
        output = interpreter.get_tensor(output_details["index"]).reshape(len(x), -1)
        restored = (output.astype("f4") - out_zero) * out_scale
        return ((features - restored) ** 2).mean(axis=1).astype("f4")

    return {"window": window, "hop": card_input["hop"]}, score


def batches(samples: Array, window: int, hop: int, batch: int) -> Iterator[Array]:
    """Yield views (batch, channels, window); the last window is repeated to fill."""
    views = np.lib.stride_tricks.sliding_window_view(samples.T, window, axis=1)
    windows = views[:, ::hop].transpose(1, 0, 2)
    for at in range(0, len(windows), batch):
        part = windows[at : at + batch]
        if len(part) < batch:
            part = np.concatenate([part, np.repeat(part[-1:], batch - len(part), 0)])
        yield part


def main() -> None:
    folder, path = Path(sys.argv[1]), Path(sys.argv[2])
    with np.load(path) as recording:
        samples = recording["samples"].astype("f4") * recording["scale"].astype("f4")
    sizes, score = model(folder, batch=64)
    parts = [score(x) for x in batches(samples, **sizes, batch=64)]
    count = (len(samples) - sizes["window"]) // sizes["hop"] + 1
    scores = np.concatenate(parts)[:count]
    print(len(scores), float(scores.mean()))


if __name__ == "__main__":
    main()

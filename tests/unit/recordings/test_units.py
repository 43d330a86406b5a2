"""The unit of a recording: from its file, from the user, or contradictory."""

import wave

import numpy as np
import pytest

from sensorml.errors import RecordingError
from sensorml.recordings import read, write_npz


def table(path, header):
    values = np.random.default_rng(0).normal(size=(100, 2))
    rows = [f"{i / 100:.2f},{x:.4f},{y:.4f}" for i, (x, y) in enumerate(values)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def npz(path, unit):
    write_npz(
        path,
        samples=np.ones((10, 1), np.float32),
        rate_hz=100,
        channels=["x"],
        unit=unit,
        start_ns=0,
    )
    return path


def test_a_file_without_a_unit_has_that_of_the_user(tmp_path):
    assert read(npz(tmp_path / "a.npz", ""), unit="g").unit == "g"
    assert read(table(tmp_path / "a.csv", "t,x,y"), unit="g").unit == "g"


def test_samples_are_converted_to_the_unit_of_the_user(tmp_path):
    recording = read(npz(tmp_path / "a.npz", "g"), unit="mg")
    assert recording.samples[0, 0] == pytest.approx(1000)
    assert (recording.unit, recording.notes[-1]) == ("mg", "converted from g to mg")
    recording = read(table(tmp_path / "a.csv", "t,x (mg),y (g)"), unit="m/s^2")
    assert recording.unit == "m/s^2"
    assert np.abs(recording.samples[:, 1]).max() > 10
    assert np.abs(recording.samples[:, 0]).max() < 0.1


@pytest.mark.parametrize("name", ["a.npz", "a.csv"])
def test_a_unit_of_another_quantity_is_refused(tmp_path, name):
    path = tmp_path / name
    if name == "a.npz":
        npz(path, "g")
    else:
        table(path, "t,x (g),y (g)")
    with pytest.raises(RecordingError, match="is in g, and degC was asked for"):
        read(path, unit="degC")


def test_channels_of_different_units_have_none_and_that_is_reported(tmp_path):
    path = table(tmp_path / "a.csv", "t,x (g),temp (°C)")
    recording = read(path)
    assert recording.unit == ""
    assert "no common unit: x in g, temp in degC" in recording.notes
    with pytest.raises(RecordingError, match="have different units"):
        read(path, unit="g")
    assert read(path, unit="g", channels=["x"]).unit == "g"


def test_full_scale_may_be_taken_as_a_unit(tmp_path):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 1000, 0, "NONE", ""))
        file.writeframes(np.full(10, 16384, "<i2").tobytes())
    assert read(path).unit == "fs"
    recording = read(path, unit="g")
    assert (recording.unit, float(recording.samples[0, 0])) == ("g", 0.5)
    assert "full scale is taken as 1 g" in recording.notes


def test_a_table_that_is_cut_off_has_clipped_rows(tmp_path):
    t_s = np.arange(4000) / 1000
    noise = np.random.default_rng(0).normal(0, 0.05, len(t_s))
    x = np.minimum(np.sin(2 * np.pi * 13 * t_s) + noise, 0.9)
    path = tmp_path / "a.csv"
    rows = [f"{t:.3f},{value:.4f}" for t, value in zip(t_s, x, strict=True)]
    path.write_text("\n".join(["t,x", *rows]) + "\n")
    clipped = read(path).clipped[:]
    assert clipped.tolist() == np.flatnonzero(x == 0.9).tolist()
    assert len(clipped) > 100

"""Files of other programs: MATLAB, LabVIEW, modal analysis, Edge Impulse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cbor2
import h5py
import numpy as np
import pytest
import pyuff
from nptdms import ChannelObject, RootObject, TdmsWriter
from scipy.io import savemat

from sensorml.errors import RecordingError
from sensorml.recordings import read

RATE_HZ = 400.0
T_S = np.arange(800) / RATE_HZ
X = np.sin(2 * np.pi * 13 * T_S)
Y = np.cos(2 * np.pi * 31 * T_S) / 3


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(RecordingError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def mat_v5(path: Path) -> None:
    motor = {"acc": np.stack((X, Y)), "fs": RATE_HZ, "rate": 25, "name": "seven"}
    savemat(path, {"motor": motor, "BPFO": 81.1})


def mat_v7_3(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_group("#refs#")
        group = file.create_group("motor")
        group["acc"] = np.stack((X, Y), axis=1)  # MATLAB's dimensions in reverse
        group["fs"] = np.array([[RATE_HZ]])
        group["rate"] = np.array([[25.0]])


def tdms(path: Path) -> None:
    properties = {
        "wf_increment": 1 / RATE_HZ,
        "wf_start_time": np.datetime64("2024-05-01"),
        "unit_string": "m/s^2",
    }
    with TdmsWriter(path) as file:
        channels = [
            ChannelObject("Motor", name, values, properties=properties)
            for name, values in (("x", X), ("y", Y))
        ]
        file.write_segment([RootObject(), *channels])


def uff(path: Path) -> None:
    file = pyuff.UFF(str(path))
    for number, values in enumerate((X, Y), 1):
        one = {
            "type": 58,
            "func_type": 1,
            "rsp_node": number,
            "rsp_dir": 3,
            "ref_node": 1,
            "ref_dir": 1,
            "data": values,
            "x": T_S,
            "id1": "motor",
            "rsp_ent_name": "NONE",
            "ref_ent_name": "NONE",
            "abscissa_spacing": 1,
            "abscissa_spec_data_type": 17,
            "ordinate_spec_data_type": 12,
            "ordinate_axis_units_lab": "m/s^2",
            "orddenom_spec_data_type": 0,
        }
        file.write_sets(one, "add")


def payload() -> dict[str, object]:
    return {
        "protected": {"ver": "v1", "alg": "none", "iat": 1_700_000_000},
        "signature": "0" * 64,
        "payload": {
            "device_name": "box",
            "device_type": "PI",
            "interval_ms": 1e3 / RATE_HZ,
            "sensors": [{"name": "x", "units": "g"}, {"name": "y", "units": "g"}],
            "values": np.stack((X, Y), axis=1).tolist(),
        },
    }


FORMATS: dict[str, Callable[[Path], object]] = {
    "v5.mat": mat_v5,
    "v7_3.mat": mat_v7_3,
    "a.tdms": tdms,
    "a.uff": uff,
    "a.json": lambda path: path.write_text(json.dumps(payload())),
    "a.cbor": lambda path: path.write_bytes(cbor2.dumps(payload())),
}
NAMES = {
    "mat": ("motor.acc1", "motor.acc2"),
    "tdms": ("x", "y"),
    "uff": ("1:3", "2:3"),
    "json": ("x", "y"),
    "cbor": ("x", "y"),
}
UNITS = {"mat": "", "tdms": "m/s^2", "uff": "m/s^2", "json": "g", "cbor": "g"}


@pytest.fixture(params=FORMATS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    FORMATS[request.param](path)
    return path


def test_a_signal_reads_back_with_rate_names_and_unit(file: Path):
    recording = read(file)
    kind = file.suffix[1:]
    assert recording.samples == pytest.approx(np.stack((X, Y), axis=1), abs=1e-6)
    assert recording.rate_hz == pytest.approx(RATE_HZ)
    assert recording.channels == NAMES[kind]
    assert recording.unit == UNITS[kind]
    assert recording.notes[0].startswith("read: ")


def test_channels_are_chosen_by_name(file: Path):
    name = NAMES[file.suffix[1:]][1]
    recording = read(file, channels=[name])
    assert recording.samples[:, 0] == pytest.approx(Y, abs=1e-6)
    assert "nothing" in refusal(file, channels=["nothing"])


def test_a_rate_that_contradicts_the_file_is_refused(file: Path):
    message = refusal(file, rate_hz=100)
    assert "400" in message
    assert "100" in message
    assert read(file, rate_hz=399).rate_hz == pytest.approx(RATE_HZ)


@pytest.mark.parametrize("keep", [0, 3, 100])
def test_a_file_that_is_cut_is_refused(file: Path, keep: int):
    file.write_bytes(file.read_bytes()[:keep])
    refusal(file)


@pytest.mark.parametrize("ending", ["mat", "tdms", "uff", "json", "cbor"])
def test_bytes_of_another_kind_are_refused(tmp_path: Path, ending: str):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(np.random.default_rng(1).bytes(5000))
    refusal(path)


def test_the_start_of_a_waveform_is_kept(tmp_path: Path):
    tdms(tmp_path / "a.tdms")
    assert read(tmp_path / "a.tdms").start_ns == 1_714_521_600_000_000_000


def test_a_tdms_whose_last_segment_is_cut_is_read_with_a_note(tmp_path: Path):
    path = tmp_path / "a.tdms"
    tdms(path)
    path.write_bytes(path.read_bytes()[:3000])
    recording = read(path, channels=["x"])
    assert 0 < len(recording.samples) < len(X)
    assert recording.samples[:, 0] == pytest.approx(X[: len(recording.samples)])
    assert "its last segment is cut" in recording.notes[-1]


def test_groups_of_another_length_are_listed_and_chosen(tmp_path: Path):
    path = tmp_path / "a.tdms"
    step = {"wf_increment": 1 / RATE_HZ}
    with TdmsWriter(path) as file:
        long = ChannelObject("fast", "x", X, properties=step)
        short = ChannelObject("slow", "x", Y[:100], properties=step)
        file.write_segment([RootObject(), long, short])
    assert "fast/x (800 samples" in refusal(path)
    assert len(read(path, channels=["slow/x"]).samples) == 100


def test_a_structure_without_a_rate_asks_for_it(tmp_path: Path):
    path = tmp_path / "a.mat"
    savemat(path, {"x": X, "rate": 25})  # the shaft's, not that of the samples
    assert "give it with --rate" in refusal(path)
    assert read(path, rate_hz=400).rate_hz == 400


def test_an_array_of_times_is_no_channel(tmp_path: Path):
    path = tmp_path / "a.mat"
    savemat(path, {"t_ms": T_S * 1e3, "x": X})
    recording = read(path)
    assert recording.channels == ("x",)
    assert recording.rate_hz == pytest.approx(RATE_HZ)


def test_a_counter_among_the_arrays_is_left_out(tmp_path: Path):
    path = tmp_path / "a.mat"
    savemat(path, {"n": np.arange(800.0), "x": X, "fs": RATE_HZ})
    recording = read(path)
    assert recording.channels == ("x",)
    assert "n (only rises" in recording.notes[-1]


def test_several_arrays_of_different_length_are_listed(tmp_path: Path):
    path = tmp_path / "a.npz"
    np.savez(path, motor=X, noise=Y[:99], fs=RATE_HZ)
    message = refusal(path)
    assert "motor (800, 1)" in message
    assert "noise (99, 1)" in message
    assert read(path, channels=["motor"]).samples.shape == (800, 1)


def test_an_npz_with_a_row_a_channel_is_turned(tmp_path: Path):
    path = tmp_path / "a.npz"
    np.savez(path, data=np.stack((X, Y)), sample_rate=RATE_HZ)
    recording = read(path)
    assert recording.samples.shape == (800, 2)
    assert recording.channels == ("data1", "data2")
    assert "transposed to one row a sample: data" in recording.notes


def test_a_json_of_another_program_is_refused(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"values": [1, 2, 3]}))
    assert "no" in refusal(path)
    assert "Edge Impulse" in refusal(path)


def test_rows_that_lack_a_value_are_refused(tmp_path: Path):
    path = tmp_path / "a.json"
    content = payload()
    content["payload"]["values"][7] = [1.0]  # type: ignore[index]
    path.write_text(json.dumps(content))
    assert "Edge Impulse" in refusal(path)

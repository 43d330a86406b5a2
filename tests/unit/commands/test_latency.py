"""A model on every delegate: opened, compared with the CPU, measured.

The library is that of tests/delegate, which behaves as its options say.
"""

import argparse
import json
from pathlib import Path

import pytest
from delegate import pair
from support import CARD_TEXT

from sensorml.commands.probe import command as probe
from sensorml.commands.probe.latency import Trial, choice
from sensorml.delegates.checks import Rung, Verdict
from sensorml.delegates.descriptor import delegates
from sensorml.inference.latency import Latency
from sensorml.pipeline.model_card import CPU_FILE, EDGETPU_FILE
from sensorml.pipeline.model_files import sha256
from sensorml.resources import folders

F = 4
STICK = """
title = "A library for tests"
tried = false
[match]
always = true
[library]
names = ["libdelegate.so"]
options = {{ {options} }}
cure = "build it"
[model]
file = "model_edgetpu.tflite"
dtypes = ["int8"]
"""


@pytest.fixture(autouse=True)
def site(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration folder with that library as a delegate."""
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "etc"))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library.parent))
    stick(tmp_path)


def stick(tmp_path: Path, **options: str) -> None:
    path = tmp_path / "etc/delegates/stick.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = ", ".join(f'{key} = "{value}"' for key, value in options.items())
    path.write_text(STICK.format(options=table))


def folder(tmp_path: Path, compiled: bytes = b"") -> Path:
    """Write a model folder with a pair."""
    place = tmp_path / "model"
    place.mkdir()
    (place / CPU_FILE).write_bytes(pair.cpu_model(F))
    (place / EDGETPU_FILE).write_bytes(compiled or pair.compiled_model(F))
    text = CARD_TEXT.replace("{sha256}", sha256(place / CPU_FILE))
    text += f'"{EDGETPU_FILE}" = "{sha256(place / EDGETPU_FILE)}"\n'
    (place / "model.toml").write_text(text)
    return place


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    probe.add_arguments(parser)
    return probe.run(parser.parse_args(argv))


def probed(capfd: pytest.CaptureFixture[str], model: Path, code: int = 0) -> dict:
    assert run("--json", "--model", str(model)) == code
    return json.loads(capfd.readouterr().out)


def verdict(report: dict) -> dict:
    (stick,) = [v for v in report["delegates"] if v["delegate"] == "stick"]
    return stick


def timed(report: dict) -> set[tuple[str, int]]:
    return {(each["delegate"], each["threads"]) for each in report["latency_us"]}


def test_every_delegate_is_measured_and_the_choice_of_auto_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    report = probed(capfd, folder(tmp_path))

    assert verdict(report)["usable"]
    assert {("cpu", 1), ("stick", 1)} <= timed(report)
    assert all(
        0 < each["p50_us"] <= each["p95_us"] <= each["p99_us"]
        for each in report["latency_us"]
    )
    assert report["auto"]["delegate"] in {"cpu", "stick"}


@pytest.mark.parametrize(
    ("options", "rung", "why", "cure"),
    [
        ({"create": "null"}, Rung.OPEN, "does not open", "not in use"),
        *[
            ({when: how}, Rung.OPEN, why, cure)
            for when in ("create", "prepare", "invoke")
            for how, why, cure in (
                ("segv", "died of SIGSEGV while it opened", "build it"),
                ("corrupt", "library may be too old for this TFLite runtime", "build"),
                ("abort", "the device may have been lost", "check its plug"),
                ("exit", "ended with exit code 3 while it opened", "off and on"),
            )
        ],
        (
            {"prepare": "fail"},
            Rung.OPEN,
            "failed to prepare",
            "compile the model again",
        ),
        ({"invoke": "fail"}, Rung.OPEN, "Failed to execute", "power off and on"),
        ({"invoke": "wrong"}, Rung.OUTPUT, "its outputs differ from", "compile"),
        (
            {"invoke": "hang", "after": "2"},
            Rung.OUTPUT,
            "no answer",
            "power off and on",
        ),
        ({"invoke": "abort", "after": "40"}, Rung.LATENCY, "SIGABRT", "its plug"),
    ],
)
def test_each_rung_has_a_reason_and_a_cure(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], options, rung, why, cure
):
    stick(tmp_path, **options)
    result = verdict(report := probed(capfd, folder(tmp_path)))

    assert (result["usable"], result["rung"]) == (False, rung)
    assert why in result["why_not"]
    assert cure in result["cure"]
    assert ("stick", 1) not in timed(report)
    assert report["auto"]["delegate"] == "cpu"


def test_a_file_that_is_not_a_pair_is_refused_before_the_device_is_opened(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    stick(tmp_path, create="hang")
    result = verdict(probed(capfd, folder(tmp_path, pair.compiled_model(F + 1))))

    assert result["rung"] == Rung.MODEL
    assert "takes 5 values" in result["why_not"]


def test_the_text_has_the_latencies_and_the_choice(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    assert run("--model", str(folder(tmp_path))) == 0

    out = capfd.readouterr().out
    assert "p99 µs" in out
    assert "auto would choose" in out


def test_a_compiled_file_alone_is_measured_where_it_runs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    (tmp_path / "net.tflite").write_bytes(pair.compiled_model(F))
    report = probed(capfd, tmp_path / "net.tflite")

    assert timed(report) == {("stick", 1)}
    assert report["auto"] is None


def test_a_compiled_file_alone_is_refused_where_nothing_runs_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    stick(tmp_path, create="null")
    (tmp_path / "net.tflite").write_bytes(pair.compiled_model(F))

    assert run("--model", str(tmp_path / "net.tflite")) == 1

    err = capfd.readouterr().err
    assert "compiled for the Edge TPU" in err
    assert "give the file it was compiled from" in err


@pytest.mark.parametrize("name", ["net.tflite", "net_edgetpu.tflite"])
def test_two_files_side_by_side_are_a_pair_from_either(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
):
    (tmp_path / "net.tflite").write_bytes(pair.cpu_model(F))
    (tmp_path / "net_edgetpu.tflite").write_bytes(pair.compiled_model(F))

    assert {("cpu", 1), ("stick", 1)} <= timed(probed(capfd, tmp_path / name))


def test_two_files_that_are_not_of_one_model_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    (tmp_path / "net.tflite").write_bytes(pair.cpu_model(F))
    (tmp_path / "net_edgetpu.tflite").write_bytes(pair.compiled_model(F + 1))

    assert run("--model", str(tmp_path / "net.tflite")) == 1
    assert "other inputs or outputs" in capfd.readouterr().err


def test_for_a_captured_tree_only_the_cpu_is_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    root = tmp_path / "root/usr/lib"
    root.mkdir(parents=True)
    (root / "libdelegate.so").touch()
    model = str(folder(tmp_path))

    assert run("--json", "--root", str(tmp_path / "root"), "--model", model) == 0

    report = json.loads(capfd.readouterr().out)
    assert verdict(report)["usable"]
    assert {name for name, _ in timed(report)} == {"cpu"}


def chosen(**p95_us: float) -> str:
    """Return the choice among delegates with these latencies, or empty."""
    shipped = delegates(folders("delegates", site=Path("/nonexistent")))
    trials = [
        Trial(
            Verdict(name, "", Rung.PASSED, None, None, True, ()),
            {1: Latency(p50=us, p95=us, p99=us, runs=500)},
        )
        for name, us in ((each.replace("_", "-"), us) for each, us in p95_us.items())
    ]
    chosen = choice(trials, shipped)
    return chosen.sentence if chosen else ""


def test_auto_chooses_the_least_p95_and_says_why():
    assert chosen(cpu=12.34) == (
        "auto would choose cpu (cpu p95 12.3 µs): no other delegate that it tries can "
        "run this model here"
    )
    assert (
        "choose cpu (cpu p95 12.0 µs, edgetpu-usb p95 1400.0 µs): this model takes"
        in (chosen(cpu=12, edgetpu_usb=1400))
    )
    assert "would choose edgetpu-usb" in chosen(cpu=9000, edgetpu_usb=1400)


def test_auto_leaves_out_delegates_that_must_be_named():
    assert "would choose cpu (cpu p95 12.0 µs)" in chosen(cpu=12, armnn=3)


def test_without_the_cpu_auto_chooses_nothing():
    assert chosen(edgetpu_usb=1400) == ""

"""`sensorml probe`: its JSON document, its text, its exit code."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sensorml.commands.probe import command as probe

ROOTS = Path(__file__).parents[2] / "rootfs"


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    probe.add_arguments(parser)
    return probe.run(parser.parse_args(argv))


def test_json_is_one_document_and_nothing_else(capfd: pytest.CaptureFixture[str]):
    assert run("--json", "--root", str(ROOTS / "raspberry-pi-4b")) == 0

    out, err = capfd.readouterr()
    report = json.loads(out)
    assert err == ""
    assert report["board"] == "raspberry-pi-4b"
    usable = {d["delegate"] for d in report["delegates"] if d["usable"]}
    assert usable == {"cpu", "edgetpu-usb"}
    assert "1a6e:089a" in {device["id"] for device in report["facts"]["usb"]}
    assert report["latency_us"] == []
    assert report["auto"] is None


def test_the_text_has_the_board_the_reasons_and_the_warnings(
    capsys: pytest.CaptureFixture[str],
):
    assert run("--root", str(ROOTS / "raspberry-pi-cm5")) == 0

    out = capsys.readouterr().out
    assert "Raspberry Pi Compute Module 5 Rev 1.0 (raspberry-pi-cm5)" in out
    assert "4 cores" in out
    assert "pinctrl-rp1, 54 lines, on the header" in out
    assert "no USB device 1a6e:089a or 18d1:9302" in out
    assert "warning: apex_0 is at 91.25 °C" in out
    assert "\x1b" not in out


def test_the_running_machine_has_a_report(capsys: pytest.CaptureFixture[str]):
    assert run() == 0

    assert "cpu" in capsys.readouterr().out


def test_an_empty_root_is_a_generic_linux_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("--json", "--root", str(tmp_path)) == 0

    assert json.loads(capsys.readouterr().out)["board"] == "generic-linux"


def test_a_root_that_is_no_folder_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("--root", str(tmp_path / "nowhere")) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert str(tmp_path / "nowhere") in err


def test_a_root_that_cannot_be_entered_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "file"
    file.touch()

    for root in (str(file), str(tmp_path / ("a" * 5000))):
        assert run("--root", root) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert len(err) < 1200
        assert "give a folder" in err


def test_a_root_whose_name_is_not_utf_8_is_printed_as_json(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    root.mkdir()

    assert run("--json", "--root", str(root)) == 0

    assert json.loads(capfd.readouterr().out)["facts"]["root"] == str(root)


NINES = "9" * 400


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("sys/class/thermal/thermal_zone0/temp", NINES),
        ("sys/class/apex/apex_0/temp", "-" + 10 * NINES),
        ("proc/meminfo", f"MemTotal: {NINES} kB"),
        ("proc/meminfo", f"MemTotal: {'9' * 4299} kB"),
        ("proc/self/smaps", f"KernelPageSize: {'9' * 4300} kB"),
        ("sys/devices/system/cpu/online", "0-" + "9" * 4300),
        ("sys/bus/usb/devices/1-1/speed", NINES),
        ("sys/bus/pci/devices/0000:01:00.0/current_link_speed", f"{NINES} GT/s"),
        ("etc/ld.so.conf.d/x.conf", "/lib\0/x\n"),
        ("etc/ld.so.conf.d/x.conf", "/" + 5000 * "a"),
        ("proc/device-tree/model", 60_000 * "x"),
    ],
)
def test_impossible_values_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, content: str
):
    usual = {
        "sys/bus/usb/devices/1-1": ("idVendor", "idProduct", "busnum", "devnum"),
        "sys/bus/pci/devices/0000:01:00.0": ("vendor", "device"),
    }
    files = {f"{at}/{name}": "1" for at, names in usual.items() for name in names}
    for name, text in {**files, path: content}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert run("--json", "--root", str(tmp_path)) == 0
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert run("--root", str(tmp_path)) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) < 1100
    facts = report["facts"]
    assert facts["temperatures"] == []
    assert facts["memory_bytes"] is facts["page_size_bytes"] is None
    assert facts["cpu"]["cores"] == 0
    assert facts["usb"][0]["speed_mbps"] is None
    assert facts["pci"][0]["link_gtps"] is None


def test_unknown_facts_are_not_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("--root", str(tmp_path)) == 0

    first = capsys.readouterr().out.partition("\n\n")[0]
    assert [line.split()[0] for line in first.splitlines()] == ["board", "runtime"]


def test_every_row_shows_whether_the_delegate_was_tried(
    capsys: pytest.CaptureFixture[str],
):
    run("--root", str(ROOTS / "pc"))

    rows = {
        line.split()[0]: line.split()[1:3]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith(("cpu ", "vx "))
    }
    assert rows == {"cpu": ["usable", "yes"], "vx": ["-", "no"]}


def test_control_characters_from_a_root_are_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_bytes(b"Pi\x1b[2J[bold]\0")

    assert run("--root", str(tmp_path)) == 0

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "Pi [2J[bold]" in out


def test_a_file_that_is_not_a_model_is_refused_with_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "model.tflite").write_bytes(b"nothing")

    assert run("--model", str(tmp_path / "model.tflite")) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert str(tmp_path / "model.tflite") in err


def test_a_folder_without_a_card_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("--model", str(tmp_path)) == 1

    assert "model.t" in capsys.readouterr().err


@pytest.fixture
def recordings() -> Path:
    if not (folder := os.environ.get("SENSORML_DATA")):
        pytest.skip("SENSORML_DATA does not name the folder of recordings")
    return Path(folder)


@pytest.mark.data
def test_a_bare_model_is_measured_on_every_number_of_threads(
    recordings: Path, capfd: pytest.CaptureFixture[str]
):
    model = recordings / "edgetpu/mobilenet_v1_0.25_128_quant.tflite"

    assert run("--json", "--model", str(model)) == 0

    rows = json.loads(capfd.readouterr().out)["latency_us"]
    assert {1, os.cpu_count() or 1} <= {row["threads"] for row in rows}
    assert all(0 < r["p50_us"] <= r["p95_us"] <= r["p99_us"] for r in rows)


@pytest.mark.data
def test_a_model_for_the_edge_tpu_is_recognised_by_its_content(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    compiled = recordings / "edgetpu/mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    renamed = tmp_path / "plain.tflite"
    renamed.write_bytes(compiled.read_bytes())

    assert run("--model", str(renamed)) == 1

    assert "compiled for the Edge TPU" in capsys.readouterr().err


@pytest.mark.data
def test_the_note_names_the_file_of_a_pair_that_the_cpu_ran(
    recordings: Path, capfd: pytest.CaptureFixture[str]
):
    twin = recordings / "edgetpu/mobilenet_v1_0.25_128_quant.tflite"
    compiled = twin.with_name("mobilenet_v1_0.25_128_quant_edgetpu.tflite")

    assert run("--model", str(compiled)) == 0

    out = capfd.readouterr().out
    assert f"{compiled} is compiled for the Edge TPU, the CPU runs {twin}" in out
    assert "windows of random numbers" in out


def test_the_report_is_made_without_the_sinks_scipy_or_asyncio():
    # What is imported is what a start costs.
    code = (
        "import sys, argparse; from sensorml.commands import probe;"
        "p = argparse.ArgumentParser(); probe.add_arguments(p);"
        f"probe.run(p.parse_args(['--root', {str(ROOTS / 'pc')!r}]));"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    loaded = set(done.stderr.split())
    assert not loaded & {"scipy", "asyncio", "influxdb_client", "rich", "smbus2"}

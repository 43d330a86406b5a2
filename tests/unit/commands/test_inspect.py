"""The command that shows what recordings are understood to be."""

import json

import numpy as np
import pytest

from sensorml.cli import main
from sensorml.recordings import read


@pytest.fixture
def table(tmp_path):
    t_s = np.arange(6000) / 100
    noise = np.random.default_rng(0).normal(0, 0.05, len(t_s))
    x = np.sin(2 * np.pi * 13 * t_s) + noise
    rows = [f"{t:.2f};{v:.4f}" for t, v in zip(t_s, x, strict=True)]
    path = tmp_path / "motor.csv"
    path.write_text("\n".join(["t [s];x [g]", *rows]).replace(".", ",") + "\n")
    return path


def test_the_layout_the_rate_and_the_lines_are_shown(table, capsys):
    assert main(["inspect", str(table)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{table}\n  read: semicolons, decimal comma, time = 't [s]'")
    assert "rate       100 Hz, 95 % of the steps within ± 0 ms" in out
    assert "lines: 13 Hz (" in out
    assert "checks     nothing that train refuses" in out
    assert err == ""


def test_json_is_one_document_and_nothing_else(table, capsys):
    assert main(["inspect", str(table), str(table), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [file["file"] for file in document["files"]] == [str(table)] * 2
    [channel] = document["files"][0]["channels"]
    assert (channel["name"], channel["unit"]) == ("x", "g")
    assert channel["lines"][0]["hz"] == pytest.approx(13, abs=0.02)


@pytest.mark.parametrize("ending", ["npz", "csv", "wav", "parquet"])
def test_a_recording_is_converted(table, tmp_path, ending):
    out = tmp_path / f"out.{ending}"
    assert main(["inspect", str(table), "--to", str(out)]) == 0
    before, after = read(table), read(out)
    assert (after.rate_hz, after.unit) == (pytest.approx(100), "g")
    np.testing.assert_array_equal(after.samples, before.samples)


def test_a_picture_is_drawn(table, tmp_path):
    picture = tmp_path / "motor.png"
    assert main(["inspect", str(table), "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_page_has_the_facts_and_the_picture(table, tmp_path):
    page = tmp_path / "motor.html"
    assert main(["inspect", str(table), "--plot", str(page)]) == 0
    text = page.read_text()
    assert "<title>motor.csv</title>" in text
    assert "lines: 13 Hz" in text
    assert "data:image/png;base64,iVBOR" in text


@pytest.mark.parametrize(
    ("option", "name", "reason"),
    [
        ("--plot", "motor.bmp", "has no ending of a picture"),
        ("--to", "motor.xlsx", "has no ending of a recording"),
    ],
)
def test_an_unknown_ending_is_refused_before_reading(
    table, capsys, option, name, reason
):
    assert main(["inspect", str(table), option, name]) == 1
    out, err = capsys.readouterr()
    assert (out, reason in err) == ("", True)


def test_one_output_takes_one_recording(table, capsys):
    assert main(["inspect", str(table), str(table), "--to", "x.npz"]) == 1
    assert "--to takes one recording, and there are 2" in capsys.readouterr().err
    assert main(["inspect", str(table), str(table), "--plot", "x.png"]) == 1
    assert "--plot takes one recording" in capsys.readouterr().err

"""Recordings through the service's own pipeline, and what `sensorml score` prints."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from support import CARD_TEXT, FakeEngine, block, card, model_folder

from sensorml import cli, recordings
from sensorml.commands.score import _timed
from sensorml.errors import RecordingError
from sensorml.pipeline.pipeline import Pipeline
from sensorml.training.scoring import Summary, check, read, score

SECOND = 1_000_000_000
UTC = 1_700_000_000 * SECOND
HEADER = "file,window,start_ns,end_ns,score,threshold,anomaly,state,quality"


def recorded(
    path: Path, rows: object, *, rate_hz: float = 1000.0, gap_before: int | None = None
) -> Path:
    """Write a recording of one channel; a gap of 100 ms may lie before a row."""
    samples = np.asarray(rows, np.float32)[:, None]
    t_ns = None
    if gap_before is not None:
        t_ns = UTC + np.arange(len(samples)) * round(1e9 / rate_hz)
        t_ns[gap_before:] += SECOND // 10
    recordings.write_npz(
        path,
        samples=samples,
        rate_hz=rate_hz,
        channels=("x",),
        unit="g",
        start_ns=UTC,
        t_ns=t_ns,
    )
    return path


def quiet(n: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.1, 0.1, n)


class TestScoring:
    def scored(self, path: Path, model_card=None, **changes):
        model_card = model_card or card(**changes)
        summary = Summary("fake")
        recording = read(path, model_card, channels=None, rate_hz=None)
        predictions = list(score(recording, model_card, FakeEngine(), summary))
        return predictions, summary

    def test_a_recording_has_the_same_predictions_as_a_live_sensor(
        self, tmp_path: Path
    ) -> None:
        rows = quiet(1_000).astype(np.float32)
        rows[500] = 3
        predictions, _ = self.scored(recorded(tmp_path / "r.npz", rows))
        pipeline = Pipeline(card(), FakeEngine())
        live = [
            p
            for i in range(0, 1_000, 13)
            for p in pipeline.step(
                block(rows[i : i + 13], start_ns=UTC + i * 1_000_000)
            )
        ]
        assert [
            (p.window, p.start_ns, p.end_ns, p.score, p.state) for p in predictions
        ] == [(p.window, p.start_ns, p.end_ns, p.score, p.state) for p in live]

    def test_a_summary_counts_windows_samples_and_anomalies(self, tmp_path) -> None:
        rows = quiet(100)
        rows[50] = 3
        predictions, summary = self.scored(recorded(tmp_path / "r.npz", rows))
        [file] = summary.files
        assert (
            (summary.windows, summary.samples) == (len(predictions), 100) == (49, 100)
        )
        assert (file.windows, file.anomalies, file.state) == (49, 2, "normal")
        assert all(len(spent) == 49 for spent in summary.stages_ns.values())
        assert summary.samples_per_s > 0

    def test_three_of_five_windows_make_the_file_an_anomaly(self, tmp_path) -> None:
        rows = quiet(1_000)
        rows[500:504] = 3
        _, summary = self.scored(recorded(tmp_path / "r.npz", rows))
        assert summary.files[0].state == "anomaly"
        assert summary.files[0].anomalies == 3

    def test_windows_over_a_gap_are_unknown_and_those_beside_it_are_not(self, tmp_path):
        path = recorded(tmp_path / "r.npz", quiet(200), gap_before=100)
        predictions, summary = self.scored(path)
        unknown = [p for p in predictions if p.state == "unknown"]
        assert [p.window for p in unknown] == [49]  # rows 98 to 101
        assert "of the samples are there" in unknown[0].reason
        assert summary.files[0].state == "normal"

    @pytest.mark.parametrize(
        ("rows", "rate_hz", "words"),
        [(3, 1000.0, "a window of the model takes 4"), (100, 500.0, "500 Hz")],
    )
    def test_a_recording_that_does_not_fit_is_refused(
        self, tmp_path: Path, rows: int, rate_hz: float, words: str
    ) -> None:
        path = recorded(tmp_path / "r.npz", quiet(rows), rate_hz=rate_hz)
        recording = read(path, card(), channels=None, rate_hz=None)
        with pytest.raises(RecordingError, match=words) as raised:
            check(recording, card().input)
        assert str(raised.value).startswith(f"{path}: ")


class TestCommand:
    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        return model_folder(tmp_path / "plain")

    @pytest.fixture
    def recording(self, tmp_path: Path) -> Path:
        rows = np.zeros(8)
        rows[4:] = 2
        return recorded(tmp_path / "r.npz", rows)

    def score(self, *arguments: object) -> int:
        return cli.main(["score", *map(str, arguments)])

    def test_each_window_is_a_row_below_the_documented_header(
        self, model: Path, recording: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.score("--model", model, recording) == 0
        out = capsys.readouterr().out
        assert out.splitlines()[0] == HEADER
        rows = list(csv.DictReader(io.StringIO(out)))
        assert [row["window"] for row in rows] == ["0", "1", "2"]
        assert [float(row["score"]) for row in rows] == [0.0, 1.0, 2.0]
        assert [row["anomaly"] for row in rows] == ["0", "0", "1"]
        assert [row["state"] for row in rows] == ["normal", "normal", "anomaly"]
        assert {row["file"] for row in rows} == {str(recording)}
        assert {row["quality"] for row in rows} == {"1"}
        assert {row["threshold"] for row in rows} == {"1"}
        assert int(rows[0]["start_ns"]) == UTC
        assert int(rows[0]["end_ns"]) == UTC + 3_000_000

    def test_several_files_are_scored_in_order_each_from_its_own_start(
        self, model: Path, recording: Path, tmp_path: Path, capsys
    ) -> None:
        other = recorded(tmp_path / "a, b.npz", np.zeros(4))
        assert self.score("--model", model, recording, other) == 0
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert [(row["file"], row["window"]) for row in rows] == [
            *[(str(recording), str(i)) for i in range(3)],
            (str(other), "0"),
        ]

    def test_a_folder_is_scored_file_by_file_or_joined(
        self, model: Path, tmp_path: Path, capsys
    ) -> None:
        folder = tmp_path / "snippets"
        folder.mkdir()
        for name in ("2.npz", "10.npz"):
            recorded(folder / name, np.zeros(4))
        assert self.score("--model", model, "--json", folder) == 0
        files = json.loads(capsys.readouterr().out)["files"]
        assert [Path(file["file"]).name for file in files] == ["2.npz", "10.npz"]
        assert self.score("--model", model, "--json", "--join", folder / "2*") == 0
        [file] = json.loads(capsys.readouterr().out)["files"]
        assert file["windows"] == 1
        assert self.score("--model", model, "--join", folder) == 1
        assert "10.npz: begins 0.004 s before" in capsys.readouterr().err

    def test_the_samples_and_scores_are_drawn(
        self, model: Path, recording: Path, tmp_path: Path, capsys
    ) -> None:
        out = tmp_path / "scores.png"
        assert self.score("--model", model, "--json", "--plot", out, recording) == 0
        assert out.read_bytes().startswith(b"\x89PNG")
        page = tmp_path / "scores.html"
        assert self.score("--model", model, "--json", "--plot", page, recording) == 0
        assert "1 of 3 windows over the threshold" in page.read_text()
        both = ("--model", model, recording, recording)
        assert self.score(*both, "--plot", out) == 1
        assert "--plot takes one recording" in capsys.readouterr().err
        assert self.score("--model", model, recording, "--plot", "a.txt") == 1
        assert "has no ending of a picture" in capsys.readouterr().err

    def test_json_is_one_document_and_nothing_else(self, model, recording, capsys):
        assert self.score("--model", model, "--json", recording) == 0
        document = json.loads(capsys.readouterr().out)
        assert list(document) == [
            "windows",
            "samples",
            "seconds",
            "samples_per_s",
            "delegate",
            "files",
            "latency_us",
        ]
        assert (document["windows"], document["samples"]) == (3, 8)
        assert document["files"] == [
            {"file": str(recording), "windows": 3, "anomalies": 1, "state": "normal"}
        ]
        assert set(document["latency_us"]) == {
            "features",
            "quantise",
            "invoke",
            "decide",
        }

    def test_reading_counts_in_the_seconds(self, recording, monkeypatch):
        now_s = 0.0

        def slowly():
            nonlocal now_s
            for _ in range(2):
                now_s += 5.0
                yield recordings.read(recording)

        monkeypatch.setattr("time.perf_counter", lambda: now_s)
        summary = Summary("cpu")
        assert len(list(_timed(slowly(), summary))) == 2
        assert summary.seconds == 10.0

    def test_rows_can_go_to_a_file(self, model, recording, tmp_path, capsys) -> None:
        out = tmp_path / "scores.csv"
        assert self.score("--model", model, recording, "--out", out) == 0
        assert out.read_text().splitlines()[0] == HEADER
        assert len(out.read_text().splitlines()) == 4
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "1 of 3 windows over the threshold" in captured.err

    def test_a_classifier_has_a_label_and_its_probability(
        self, tmp_path: Path, recording: Path, capsys
    ) -> None:
        text = CARD_TEXT.replace(
            'score = "value"', 'score = "value"\nlabels = ["good"]'
        ).replace('kind = "anomaly"', 'kind = "classifier"')
        assert (
            self.score("--model", model_folder(tmp_path / "c", text=text), recording)
            == 0
        )
        out = capsys.readouterr().out.splitlines()
        assert out[0] == f"{HEADER},label,probability"
        assert out[1].endswith(",good,0")

    def test_a_recording_that_is_not_there_fails_and_leaves_no_file(
        self, model: Path, tmp_path: Path, capsys
    ) -> None:
        out = tmp_path / "scores.csv"
        assert self.score("--model", model, tmp_path / "gone.npz", "--out", out) == 1
        assert "gone.npz: there is no such file" in capsys.readouterr().err
        assert not out.exists()

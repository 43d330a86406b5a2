"""Bad input of each kind: one sentence with a cure, at once, and exit code 1 or 2."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sensorml import cli
from sensorml.recordings import write_npz
from sensorml.resources import folders

LONG = "x" * 5000
SECRET = "geheim"
MODEL = str(folders("models")[0] / "demo")

SENSOR = '[[sensor]]\nname = "m"\ndriver = "sim"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with files of every bad kind."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    os.mkfifo("fifo.npz")
    Path("large.toml").touch()
    os.truncate("large.toml", 100_000_000)
    Path("ok.toml").write_text(SENSOR)
    Path("latin.toml").write_bytes(b'device = "\xe9"')
    Path("deep.toml").write_text("a = " + "[" * 100_000)
    Path("dots.toml").write_text("a." * 200_000 + "a = 1")
    Path("digits.toml").write_text("a = " + "1" * 100_000)
    Path("escape.toml").write_text('"\\u001b[2J" = 1\n' + SENSOR)
    model = f'[[model]]\nname = "a"\nsensor = "m"\npath = "{LONG}"\n'
    Path("model.toml").write_text(SENSOR + model)
    recording = f'[[sensor]]\nname = "m"\ndriver = "file"\npath = "{LONG}.npz"\n'
    Path("recording.toml").write_text(recording)
    Path("card").mkdir()
    os.mkfifo("card/model.toml")
    shutil.copytree(MODEL, "pipe")
    Path("pipe/model.tflite").unlink()
    os.mkfifo("pipe/model.tflite")
    write_npz(
        Path("good.npz"),
        samples=np.zeros((2000, 3), np.float32),
        rate_hz=800.0,
        channels=("x", "y", "z"),
        unit="g",
        start_ns=0,
    )
    return tmp_path


@pytest.fixture
def refuse(folder: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that is refused; return its message, at most two lines."""

    def run(*arguments: str, code: int) -> str:
        try:
            ended = cli.main(arguments)
        except SystemExit as wrong:  # argparse prints the usage before the message
            ended = wrong.code
        printed = capfd.readouterr()
        message = printed.out + printed.err  # `check` prints its result
        assert ended == code, message
        if "usage: " in message:
            message = message.splitlines()[-1]
        assert len(message.splitlines()) <= 2
        assert len(message) < 1500
        assert message.isprintable() or message.replace("\n", "").isprintable()
        assert SECRET not in message
        return message

    return run


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("none.toml", "no such file"),
        (LONG, "too long"),
        (".", "is a folder"),
        ("", "is a folder"),
        ("fifo", "is no regular file"),
        ("/dev/zero", "is no regular file"),
        ("large.toml", "larger than 1 MB"),
        ("latin.toml", "not UTF-8 at byte 10"),
        ("deep.toml", "nested too deeply"),
        ("dots.toml", "nested too deeply"),
        ("digits.toml", "thousands of digits"),
        ("escape.toml", r"\x1b[2J: unknown key"),
        ("model.toml", "too long"),
        ("recording.toml", "too long"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_configuration_that_cannot_be_used(
    refuse: Callable[..., str], command: str, file: str, why: str
) -> None:
    assert why in refuse(command, file, code=2)


@pytest.mark.parametrize("path", ["fifo", "/dev/zero", LONG, ".", "latin.toml"])
def test_safe_refuses_what_is_no_configuration(
    refuse: Callable[..., str], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    assert refuse("safe", path, code=2)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("none.npz", "no such file"),
        (LONG, "too long"),
        ("fifo.npz", "is no regular file"),
        ("/dev/zero", "is no regular file"),
        ("ok.toml", "unknown format"),
    ],
)
@pytest.mark.parametrize(
    "command", [["score", "--model", MODEL], ["train", "--out", "new", "--normal"]]
)
def test_a_recording_that_cannot_be_used(
    refuse: Callable[..., str], command: list[str], path: str, why: str
) -> None:
    assert why in refuse(*command, path, code=1)


@pytest.mark.parametrize("model", [LONG, "card", "pipe", "/dev/zero", "none"])
def test_a_model_that_cannot_be_used(refuse: Callable[..., str], model: str) -> None:
    assert refuse("score", "--model", model, "good.npz", code=1)
    assert refuse("probe", "--model", model, code=1)


@pytest.mark.parametrize(
    ("store", "why"),
    [
        ("none.db", "No such file"),
        (LONG, "too long"),
        (".", "is a folder"),
        ("fifo", "is no regular file"),
        ("/dev/zero", "is no regular file"),
        ("ok.toml", "is not a journal"),
    ],
)
def test_a_journal_that_cannot_be_read(
    refuse: Callable[..., str], store: str, why: str
) -> None:
    assert why in refuse("export", "--store", store, code=1)


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("/dev/full", "No space left on device"),
        (".", "is a folder"),
        (LONG, "too long"),
        ("none/out.csv", "No such file"),
        ("ok.toml/out.csv", "Not a directory"),
    ],
)
def test_an_output_that_cannot_be_written(
    refuse: Callable[..., str], out: str, why: str
) -> None:
    message = refuse("score", "--model", MODEL, "good.npz", "--out", out, code=1)
    assert why in message


@pytest.mark.parametrize("out", ["/dev/full", LONG, "ok.toml"])
def test_a_folder_that_cannot_be_made(refuse: Callable[..., str], out: str) -> None:
    assert refuse("grafana", "--out", out, code=1)
    assert refuse("train", "--normal", "good.npz", "--out", out, code=1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--duration", "nan"],
        ["run", "--duration", "soon"],
        ["run", "--duration", "-1"],
        ["run", "--store", ""],
        ["record", "ok.toml", "--sensor", "m", "--duration", "nan", "--out", "a.npz"],
        ["record", "ok.toml", "--sensor", "m", "--duration", "inf", "--out", "a.npz"],
        ["record", "ok.toml", "--sensor", "m", "--duration", "1", "--out", ""],
        ["score", "--model", MODEL, "good.npz", "--rate", "nan"],
        ["score", "--model", MODEL, "good.npz", "--rate", "-3"],
        ["score", "--model", MODEL, "good.npz", "--channels", ""],
        ["score", "--model", MODEL, "good.npz", "--channels", "x,x"],
        ["train", "--normal", "good.npz", "--out", "new", "--name", "\x1b[2J"],
        ["train", "--normal", "good.npz", "--out", "new", "--window", "0"],
        ["export", "--store", "a.db", "--kind", "\x1b[2J"],
        ["grafana", "--out", "new", "--url", f"http://me:{SECRET}@host/"],
        ["grafana", "--out", "new", "--url", "http://host:99999"],
        ["grafana", "--out", "new", "--url", "host"],
        ["grafana", "--out", "new", "--database", ""],
        ["\x1b[31m"],
    ],
)
def test_a_wrong_argument_is_wrong_usage(
    refuse: Callable[..., str], arguments: list[str]
) -> None:
    assert "error: " in refuse(*arguments, code=2)
    assert not Path("new").exists()


def test_names_that_are_no_text_are_refused_or_escaped(
    refuse: Callable[..., str],
) -> None:
    name = os.fsdecode(b"g\xff")
    assert r"g\udcff" in refuse("grafana", "--out", name, code=1)
    assert r"g\udcff" in refuse("check", name, code=2)


def test_a_sensor_that_the_configuration_lacks(refuse: Callable[..., str]) -> None:
    rest = ["--duration", "1", "--out", "a.npz"]
    message = refuse("record", "ok.toml", "--sensor", "\x1b[2J", *rest, code=2)
    assert "use one of m" in message

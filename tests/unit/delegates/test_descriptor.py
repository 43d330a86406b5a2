"""The files of delegates/: wrong values are refused with a cure."""

import argparse
from pathlib import Path

import pytest

from sensorml.commands import check
from sensorml.delegates.descriptor import delegates
from sensorml.errors import ConfigError


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


DELEGATE = """
title = "TPU"
tried = false
match = { always = true }
[library]
names = ["lib.so"]
cure = "install it"
[needs]
page_size_bytes = 4096
cure = "choose another kernel"
[model]
file = "model.tflite"
dtypes = ["int8"]
"""


@pytest.mark.parametrize(
    ("right", "wrong", "key", "cure"),
    [
        ("always = true", 'usb = ["1A6E:089A"]', "match.usb", '"1a6e:089a"'),
        ("always = true", 'node = ["/dev/sda"]', "match.node", '"/dev/galcore"'),
        ("always = true", "machine = [64]", "match.machine", "each text in quotes"),
        ('"TPU"', '""', "title", "not empty"),
        ('["lib.so"]', "[]", "library.names", "at least 1"),
        ('["lib.so"]', '[""]', "library.names", "not empty"),
        ('cure = "install it"', "", "library.cure", "text in quotes"),
        ('"install it"', '""', "library.cure", "not empty"),
        ("[needs]", "options = {device = 1}\n[needs]", "library.options", "text"),
        ("4096", "0", "needs.page_size_bytes", "at least 1"),
        ('"model.tflite"', '"m.bin"', "model.file", 'such as "model.tflite"'),
        ('"model.tflite"', '"../x.tflite"', "model.file", 'such as "model.tflite"'),
        ('["int8"]', '["int9"]', "model.dtypes", 'each one of "float32"'),
        ('["int8"]', "[]", "model.dtypes", "at least 1"),
    ],
)
def test_a_wrong_value_is_refused_with_a_cure(
    tmp_path: Path, right: str, wrong: str, key: str, cure: str
):
    assert DELEGATE.count(right) == 1
    write(tmp_path, "tpu", DELEGATE.replace(right, wrong))

    with pytest.raises(ConfigError) as caught:
        delegates([tmp_path])

    (problem,) = caught.value.problems
    assert problem.key == key
    assert cure in problem.cure


def test_a_delegate_is_read(tmp_path: Path):
    write(tmp_path, "tpu", DELEGATE)

    tpu = delegates([tmp_path])["tpu"]

    assert tpu.library is not None
    assert (tpu.library.names, tpu.model.dtypes) == (("lib.so",), ("int8",))


def test_a_check_also_reports_broken_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    plant = write(tmp_path, "plant", '[[sensor]]\nname = "s"\ndriver = "sim"\n')
    good = argparse.Namespace(config=plant)
    assert check.run(good) == 0

    mine = write(tmp_path / "boards", "mine", "title = 1\nmatch = { always = true }\n")
    tpu = write(tmp_path / "delegates", "tpu", DELEGATE.replace("int8", "int9"))
    bad = write(tmp_path, "bad", plant.read_text() + "nothing = 1\n")
    capsys.readouterr()

    assert check.run(good) == 2
    assert check.run(argparse.Namespace(config=bad)) == 2

    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{mine}: title: ")
    assert second.startswith(f"{tpu}: model.dtypes: ")
    assert rest[0].startswith(f"{bad}: sensor[0].nothing: unknown key")
    assert rest[1:] == [first, second]

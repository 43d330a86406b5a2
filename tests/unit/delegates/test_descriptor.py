"""Descriptors refuse what they do not know, and name one board."""

import argparse
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sensorml.commands import check
from sensorml.delegates.descriptor import delegates
from sensorml.errors import ConfigError
from sensorml.hardware.boards import Match, boards, identify
from sensorml.hardware.facts import Facts

NOWHERE = Facts.gather(Path("/nonexistent"))
PI = replace(NOWHERE, dt_compatible=("raspberrypi,5-model-b", "brcm,bcm2712"))

FALLBACK = 'title = "Linux"\n[match]\nalways = true\n'


def board(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def pi(*words: str) -> str:
    listed = ", ".join(f'"{word}"' for word in words)
    return f'title = "Pi"\n[match]\ndt_compatible = [{listed}]\n'


def test_an_unknown_key_is_refused_with_the_nearest_one(tmp_path: Path):
    path = board(tmp_path, "mine", 'title = "Mine"\n[match]\ndt_compatibel = ["a,b"]\n')

    with pytest.raises(ConfigError) as caught:
        boards([tmp_path])

    (problem,) = caught.value.problems
    assert problem.file == str(path)
    assert problem.key == "match.dt_compatibel"
    assert "dt_compatible" in problem.cure


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("title = 3\n[match]\nalways = true\n", "title"),
        ('title = "x"\n[match]\nalways = 1\n', "match.always"),
        (FALLBACK + "[i2c]\nbus = -1\n", "i2c.bus"),
        (FALLBACK + "[cpu]\nthreads = 0\n", "cpu.threads"),
        (FALLBACK + "[gpio]\n", "gpio.chip_label"),
        ('title = "x"\n[match]\nusb = ["18D1:9302"]\n', "match.usb"),
        ('title = "x"\n[match]\n', "match"),
        ('title = "x"\n[match]\nnode = ["/dev/tty0"]\n', "match.node"),
        ('title = "x"\n[match]\nnode = ["galcore"]\n', "match.node"),
        ('path = "/etc/passwd"\n' + FALLBACK, "path"),
        ("title = ", ""),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(tmp_path: Path, text: str, key: str):
    path = board(tmp_path, "mine", text)

    with pytest.raises(ConfigError) as caught:
        boards([tmp_path])

    assert [(p.file, p.key) for p in caught.value.problems] == [(str(path), key)]


def test_the_problems_of_all_files_are_found_at_once(tmp_path: Path):
    board(tmp_path, "one", "title = 1\n")
    board(tmp_path, "two", "nothing = 2\n")

    with pytest.raises(ConfigError) as caught:
        boards([tmp_path])

    assert {Path(p.file).name for p in caught.value.problems} == {
        "one.toml",
        "two.toml",
    }


def test_what_is_no_file_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "endless.toml").symlink_to("/dev/zero")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "gone.toml").symlink_to("nowhere")

    with pytest.raises(ConfigError) as caught:
        boards([tmp_path])

    said = {Path(p.file).stem: p.what for p in caught.value.problems}
    assert said.pop("gone") == "no such file"
    assert said == dict.fromkeys(("pipe", "endless", "folder"), "is not a file")


def test_a_file_of_the_same_name_in_a_later_folder_replaces_the_first(tmp_path: Path):
    board(tmp_path / "shipped", "pi", pi("raspberrypi,5-model-b"))
    mine = board(tmp_path / "etc", "pi", pi("raspberrypi,5-model-b"))

    known = boards([tmp_path / "shipped", tmp_path / "etc"])

    assert identify(PI, known).path == mine


def test_the_earlier_word_of_the_device_tree_wins(tmp_path: Path):
    board(tmp_path, "aaa-soc", pi("brcm,bcm2712"))
    board(tmp_path, "zzz-board", pi("raspberrypi,5-model-b"))
    board(tmp_path, "generic", FALLBACK)

    assert identify(PI, boards([tmp_path])).name == "zzz-board"


def test_a_machine_that_is_not_described_is_the_fallback(tmp_path: Path):
    board(tmp_path, "board", pi("raspberrypi,5-model-b"))
    board(tmp_path, "generic", FALLBACK)

    assert identify(NOWHERE, boards([tmp_path])).name == "generic"


def test_two_boards_that_match_equally_are_both_named(tmp_path: Path):
    first = board(tmp_path, "first", pi("raspberrypi,5-model-b"))
    second = board(tmp_path, "second", pi("raspberrypi,5-model-b", "other,board"))

    with pytest.raises(ConfigError) as caught:
        identify(PI, boards([tmp_path]))

    (problem,) = caught.value.problems
    assert problem.key == "match"
    assert {str(first), str(second)} <= set(str(problem).replace(":", " ").split())
    assert problem.cure


def test_no_board_at_all_is_an_error_with_a_cure(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"generic-linux\.toml"):
        identify(PI, boards([tmp_path]))


def test_every_condition_that_is_given_must_hold():
    match = Match(dt_compatible=("brcm,bcm2712",), pci=("1ac1:089a",))

    assert match.why_not(PI) == "no PCI device 1ac1:089a"
    assert match.why_not(NOWHERE) == "device tree is not brcm,bcm2712"


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
def test_a_wrong_value_is_refused_with_a_cure_that_helps(
    tmp_path: Path, right: str, wrong: str, key: str, cure: str
):
    assert DELEGATE.count(right) == 1
    board(tmp_path, "tpu", DELEGATE.replace(right, wrong))

    with pytest.raises(ConfigError) as caught:
        delegates([tmp_path])

    (problem,) = caught.value.problems
    assert problem.key == key
    assert cure in problem.cure


def test_a_delegate_is_read_as_it_is_written(tmp_path: Path):
    board(tmp_path, "tpu", DELEGATE)

    tpu = delegates([tmp_path])["tpu"]

    assert tpu.library is not None
    assert (tpu.library.names, tpu.model.dtypes) == (("lib.so",), ("int8",))


def test_a_configuration_beside_broken_descriptors_is_not_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    plant = board(tmp_path, "plant", '[[sensor]]\nname = "s"\ndriver = "sim"\n')
    good = argparse.Namespace(config=plant)
    assert check.run(good) == 0

    mine = board(tmp_path / "boards", "mine", "title = 1\nmatch = { always = true }\n")
    tpu = board(tmp_path / "delegates", "tpu", DELEGATE.replace("int8", "int9"))
    bad = board(tmp_path, "bad", plant.read_text() + "nothing = 1\n")
    capsys.readouterr()

    assert check.run(good) == 2
    assert check.run(argparse.Namespace(config=bad)) == 2

    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{mine}: title: ")
    assert second.startswith(f"{tpu}: model.dtypes: ")
    assert rest[0].startswith(f"{bad}: sensor[0].nothing: unknown key")
    assert rest[1:] == [first, second]

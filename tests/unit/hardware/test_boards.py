"""The files of boards/: wrong keys and values are refused, one board matches."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

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


def test_a_pipe_device_or_folder_is_refused_without_waiting(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "endless.toml").symlink_to("/dev/zero")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "gone.toml").symlink_to("nowhere")

    with pytest.raises(ConfigError) as caught:
        boards([tmp_path])

    problems = {Path(p.file).stem: p.what for p in caught.value.problems}
    assert problems.pop("gone") == "no such file"
    assert problems.pop("folder") == "is a folder"
    assert problems == dict.fromkeys(("pipe", "endless"), "is no regular file")


def test_a_file_of_the_same_name_in_a_later_folder_replaces_the_first(tmp_path: Path):
    board(tmp_path / "shipped", "pi", pi("raspberrypi,5-model-b"))
    mine = board(tmp_path / "etc", "pi", pi("raspberrypi,5-model-b"))

    both = boards([tmp_path / "shipped", tmp_path / "etc"])

    assert identify(PI, both).path == mine


def test_the_earlier_string_of_the_device_tree_wins(tmp_path: Path):
    board(tmp_path, "aaa-soc", pi("brcm,bcm2712"))
    board(tmp_path, "zzz-board", pi("raspberrypi,5-model-b"))
    board(tmp_path, "generic", FALLBACK)

    assert identify(PI, boards([tmp_path])).name == "zzz-board"


def test_a_machine_without_a_file_matches_the_fallback(tmp_path: Path):
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


def test_without_a_matching_board_the_error_has_a_cure(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"generic-linux\.toml"):
        identify(PI, boards([tmp_path]))


def test_every_given_condition_must_hold():
    match = Match(dt_compatible=("brcm,bcm2712",), pci=("1ac1:089a",))

    assert match.why_not(PI) == "no PCI device 1ac1:089a"
    assert match.why_not(NOWHERE) == "device tree is not brcm,bcm2712"

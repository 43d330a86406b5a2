"""Trees with links, pipes, huge files and garbage, which are read without harm."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine_tree import READ, card, stick, write

from sensorml.commands.probe.report import Software, probe
from sensorml.commands.probe.text import HEADINGS, machine, printable, row, table
from sensorml.delegates.checks import RuntimeVerdict
from sensorml.delegates.descriptor import delegates
from sensorml.hardware.boards import boards
from sensorml.hardware.facts import Facts
from sensorml.hardware.tree import MAX_BYTES, MAX_ENTRIES, Tree
from sensorml.resources import folders

FOLDERS = [
    "sys/bus/usb/devices",
    "sys/bus/usb/devices/1-1",
    "sys/bus/usb/devices/1-1:1.0/driver",
    "sys/class/spidev/spidev0.0",
    "sys/class/apex",
    "dev/accel/accel0",
    "dev/bus/usb/001/001",
    "proc",
]
WORDS = ["sys", "bus", "class", "usb", "devices", "dev", "gpio", "gpiochip0", "device"]
BOARDS, DELEGATES = (
    boards(folders("boards", site=Path("/nonexistent"))),
    delegates(folders("delegates", site=Path("/nonexistent"))),
)


def test_a_link_out_of_the_root_is_not_followed(tmp_path: Path):
    secret = write(tmp_path, "outside/compatible", b"not,this\0")
    root = tmp_path / "root"
    (root / "proc").mkdir(parents=True)
    (root / "proc/device-tree").symlink_to(secret.parent)

    assert Facts.gather(root).dt_compatible == ()


def test_a_link_within_the_root_is_followed(tmp_path: Path):
    write(tmp_path, "sys/firmware/here/compatible", b"vendor,board\0")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/device-tree").symlink_to("../sys/firmware/here")

    assert Facts.gather(tmp_path).dt_compatible == ("vendor,board",)


@pytest.mark.parametrize("path", READ)
def test_a_pipe_a_folder_or_a_device_in_place_of_a_file_is_absent(
    tmp_path: Path, path: str
):
    pipe, folder, device = tmp_path / "pipe", tmp_path / "folder", tmp_path / "device"
    for root in (pipe, folder, device):
        (root / path).parent.mkdir(parents=True)
    os.mkfifo(pipe / path)
    (folder / path).mkdir()
    (device / path).symlink_to("/dev/zero")

    for root in (pipe, folder, device):
        assert Tree.at(root).read(path) == b""
        Facts.gather(root)


def test_a_device_that_is_reached_on_the_running_machine_is_not_read():
    assert Tree.at(Path("/")).read("dev/zero") == b""


def test_a_loop_of_links_is_absent(tmp_path: Path):
    (tmp_path / "proc").symlink_to("proc")

    assert Facts.gather(tmp_path).cpu.cores == 0


def test_a_huge_file_is_read_up_to_the_limit(tmp_path: Path):
    with write(tmp_path, "proc/cpuinfo", "").open("r+b") as file:
        file.truncate(1 << 40)

    assert len(Tree.at(tmp_path).read("proc/cpuinfo")) == MAX_BYTES


def test_a_folder_with_too_many_entries_is_cut(tmp_path: Path):
    for i in range(MAX_ENTRIES + 5):
        write(tmp_path, f"many/{i}", "")

    assert len(Tree.at(tmp_path).names("many")) == MAX_ENTRIES


@given(content=st.binary(max_size=200), path=st.sampled_from(READ))
def test_no_content_of_a_file_makes_gathering_fail(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, path: str
):
    root = tmp_path_factory.mktemp("root")
    stick(root)
    write(root, path, content)

    assert Facts.gather(root).root == str(root)


FORMS = {
    "proc/meminfo": "MemTotal: {} kB",
    "proc/self/smaps": "KernelPageSize: {} kB",
    "sys/devices/system/cpu/online": "0-{}",
    "sys/bus/pci/devices/0000:01:00.0/current_link_speed": "{} GT/s",
}
"""The form of a number in a file, where it does not stand alone."""
NUMBERS = st.builds(
    lambda sign, digits, rest: f"{sign}{'9' * digits}{rest}",
    st.sampled_from(["", "-"]),
    st.sampled_from([1, 18, 19, 400, 4000, 4299, 4300]),
    st.sampled_from(["", ".5", "e9"]),
)
WORDY = st.text(alphabet="/ab\0-:,. \n9٣", max_size=40).map(str.encode)
THINGS = st.one_of(
    st.binary(max_size=80),
    WORDY,
    WORDY.map(lambda text: b"/" + text + b"a" * 5000),
    st.sampled_from(["folder", "pipe", "loop", "away", "hole", "closed"]),
)


def make(root: Path, path: str, thing: bytes | str) -> None:
    """Put something where a file should be, unless the way there is no folder."""
    place = root / path
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(thing, bytes):
            place.write_bytes(thing)
        elif thing == "folder":
            place.mkdir()
        elif thing == "pipe":
            os.mkfifo(place)
        elif thing == "hole":
            with place.open("wb") as file:
                file.truncate(1 << 40)
        elif thing == "closed":
            place.touch(0o000)
        else:
            place.symlink_to(place if thing == "loop" else "/dev/zero")
    except OSError:  # an earlier thing is in the way
        return


@given(
    things=st.dictionaries(
        st.sampled_from([*READ, *FOLDERS])
        | st.lists(st.sampled_from(WORDS), min_size=2, max_size=6).map("/".join),
        THINGS,
        max_size=20,
    ),
    numbers=st.dictionaries(st.sampled_from(READ), NUMBERS, max_size=10),
)
def test_no_tree_of_garbage_makes_probing_fail_or_hang(
    tmp_path_factory: pytest.TempPathFactory,
    things: dict[str, bytes | str],
    numbers: dict[str, str],
):
    root = tmp_path_factory.mktemp("root")
    stick(root)
    card(root)
    written = {
        path: FORMS.get(path, "{}").format(number).encode()
        for path, number in numbers.items()
    }
    for path, thing in {**things, **written}.items():
        make(root, path, thing)

    report = probe(
        Facts.gather(root),
        software=Software("3.11.2", {}),
        runtime=RuntimeVerdict("ai-edge-litert", "2.3.0"),
        delegates=DELEGATES,
        boards=BOARDS,
    )

    assert {verdict.delegate for verdict in report.delegates} == set(DELEGATES)
    assert all(name.isprintable() for name, _ in machine(report, ()))
    assert all(len(printable(said)) <= 1001 for _, said in machine(report, ()))
    assert list(table(HEADINGS, [row(v) for v in report.delegates], 80))
    assert json.dumps(asdict(report), allow_nan=False)


def test_names_that_cannot_be_printed_are_left_out(tmp_path: Path):
    folder = tmp_path / "sys/bus/pci/devices"
    folder.mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\x1b[2J")).mkdir()

    assert Tree.at(tmp_path).names("sys/bus/pci/devices") == []

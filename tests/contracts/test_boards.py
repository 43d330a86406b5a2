"""The contract of boards/: each file describes one board, and matches no other."""

import tomllib
from pathlib import Path

import pytest

from sensorml.commands.probe.report import MachineReport, Software, probe
from sensorml.delegates.checks import Rung, RuntimeVerdict
from sensorml.delegates.descriptor import delegates
from sensorml.hardware.boards import NO_MATCH, Board, boards, identify
from sensorml.hardware.facts import Facts
from sensorml.resources import folders

ROOTS = Path(__file__).parents[1] / "rootfs"
BOARDS = boards(folders("boards", site=Path("/nonexistent")))
DELEGATES = delegates(folders("delegates", site=Path("/nonexistent")))
CATCH_ALL = {"generic-linux", "pc"}


def expected(name: str) -> dict[str, object]:
    return tomllib.loads((ROOTS / name / "expected.toml").read_text(encoding="utf-8"))


def report_on(name: str) -> MachineReport:
    return probe(
        Facts.gather(ROOTS / name),
        software=Software("3.11.2", {}),
        runtime=RuntimeVerdict("ai-edge-litert", "2.3.0"),
        delegates=DELEGATES,
        boards=BOARDS,
    )


def test_every_board_has_a_file_tree_and_every_tree_a_board():
    roots = {path.parent.name for path in ROOTS.glob("*/expected.toml")}

    assert roots == set(BOARDS)


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_a_file_tree_is_identified_as_its_board(name: str):
    assert identify(Facts.gather(ROOTS / name), BOARDS).name == expected(name)["board"]


@pytest.mark.parametrize("name", sorted(set(BOARDS) - CATCH_ALL))
def test_a_board_matches_no_other_file_tree(name: str):
    match = BOARDS[name].match
    others = [
        root
        for root in BOARDS
        if root != name and match.rank(Facts.gather(ROOTS / root)) != NO_MATCH
    ]

    assert others == []


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_the_facts_have_the_processor_of_the_board(name: str):
    facts = Facts.gather(ROOTS / name)

    assert facts.machine == expected(name)["machine"]
    assert facts.bits == expected(name)["bits"]


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_the_verdicts_on_a_file_tree_are_the_expected_ones(name: str):
    verdicts = {v.delegate: v for v in report_on(name).delegates}
    listed = expected(name)["delegates"]

    assert isinstance(listed, dict)
    reasons = {delegate: verdicts[delegate].reason for delegate in listed}
    assert {d: r.what if r else "" for d, r in reasons.items()} == listed
    # A delegate that is not listed has no device on this board.
    others = {v.rung for delegate, v in verdicts.items() if delegate not in listed}
    assert others == {Rung.DEVICE}


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_the_warnings_on_a_file_tree_are_the_expected_ones(name: str):
    report = report_on(name)
    warnings = [*report.warnings, *(w for v in report.delegates for w in v.warnings)]
    phrases = expected(name).get("warnings", [])

    assert isinstance(phrases, list)
    assert len(warnings) == len(phrases), warnings
    for phrase in phrases:
        assert any(phrase in warning for warning in warnings), (phrase, warnings)


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_the_header_of_a_board_is_found_in_its_file_tree(name: str):
    report = report_on(name)

    assert report.i2c_bus == expected(name).get("i2c_bus")
    assert report.gpio_chip == expected(name).get("gpio_chip")
    if report.i2c_bus is not None:
        assert report.i2c_bus in {adapter.bus for adapter in report.facts.i2c}


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_board_leaves_one_core_for_the_sensors(board: Board):
    cores = Facts.gather(ROOTS / board.name).cpu.cores

    assert board.cpu is None or board.cpu.threads < cores

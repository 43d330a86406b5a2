"""The files for Grafana: their content, and how they are written."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.commands import grafana as command
from sensorml.errors import OutputError
from sensorml.grafana import Database, files, write
from sensorml.grafana.dashboard import dashboard
from sensorml.grafana.panels import arrange
from sensorml.grafana.yaml import to_yaml
from sensorml.storage.tables import COLUMNS
from sensorml.types import AlarmState, SensorState, State

APIS = ("v1", "v2", "v3")
DATA_SOURCE = "provisioning/datasources/sensorml.yaml"


def database(api: str = "v2", **changes: str) -> Database:
    return Database(**{"api": api, "url": "http://db:8086", "name": "plant", **changes})


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(each) for each in arguments]))


def queries() -> list[str]:
    """Return every query of the dashboard."""
    board = dashboard()
    variables = [variable["query"] for variable in board["templating"]["list"]]
    return variables + [
        target["query"] for panel in board["panels"] for target in panel["targets"]
    ]


def test_a_token_is_named_and_never_written() -> None:
    v2, v3 = files(database("v2"), Path()), files(database("v3"), Path())
    for text in (v2[DATA_SOURCE], v3[DATA_SOURCE]):
        assert 'httpHeaderName1: "Authorization"' in text
        assert 'httpHeaderValue1: "Token $INFLUX_TOKEN"' in text


def test_the_oldest_api_has_a_user_instead_of_a_token() -> None:
    text = files(database("v1"), Path())[DATA_SOURCE]
    assert "$INFLUX_TOKEN" not in text
    assert 'password: "$INFLUX_PASSWORD"' in text


@pytest.mark.parametrize("api", APIS)
def test_the_data_source_of_every_api_is_influxql_and_names_the_database(
    api: str,
) -> None:
    text = files(database(api), Path())[DATA_SOURCE]
    assert 'version: "InfluxQL"' in text
    assert 'dbName: "plant"' in text
    assert 'url: "http://db:8086"' in text


@pytest.mark.parametrize("api", APIS)
def test_the_dashboard_is_the_same_for_every_api(api: str) -> None:
    name = "dashboards/sensorml.json"
    assert files(database(api), Path())[name] == files(database(), Path())[name]


def test_a_second_write_gives_the_same_bytes_and_no_other_files(
    tmp_path: Path,
) -> None:
    def tree() -> dict[str, bytes]:
        found = (path for path in tmp_path.rglob("*") if path.is_file())
        return {str(path.relative_to(tmp_path)): path.read_bytes() for path in found}

    write(database(), tmp_path)
    first = tree()
    write(database(), tmp_path)
    assert tree() == first
    assert set(first) == set(files(database(), tmp_path))


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / DATA_SOURCE
    write(database(), tmp_path)
    with target.open() as open_before:
        write(database(name="other"), tmp_path)
        assert '"plant"' in open_before.read()
    assert '"other"' in target.read_text()


def test_the_provider_finds_the_dashboard_where_it_was_written(tmp_path: Path) -> None:
    write(database(), tmp_path)
    text = (tmp_path / "provisioning/dashboards/sensorml.yaml").read_text()
    [folder] = re.findall(r'path: "(.*)"', text)
    assert json.loads((Path(folder) / "sensorml.json").read_text()) == dashboard()


def test_panels_fill_the_grid_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
    width, height = (max(axis) + 1 for axis in zip(*taken, strict=True))
    assert len(taken) == width * height
    assert width == 24


def test_every_panel_has_its_own_id_and_every_query_its_own_letter() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) > 0


def test_panels_of_a_row_share_its_width() -> None:
    places = [panel["gridPos"] for panel in arrange([[{}], [{}, {}, {}]])]
    assert [(p["x"], p["y"], p["w"]) for p in places] == [
        (0, 0, 24),
        (0, 8, 8),
        (8, 8, 8),
        (16, 8, 8),
    ]


@pytest.mark.parametrize("query", queries())
def test_a_query_names_only_columns_that_the_journal_has(query: str) -> None:
    [measurement] = re.findall(r'FROM "(\w+)"', query)
    output = set(re.findall(r'AS "(\w+)"', query))
    named = set(re.findall(r'"(\w+)"', query)) - output - {measurement}
    assert named <= {*COLUMNS[measurement], "device"}


@pytest.mark.parametrize("query", queries())
def test_a_query_uses_only_variables_of_the_dashboard(query: str) -> None:
    names = [variable["name"] for variable in dashboard()["templating"]["list"]]
    used = set(re.findall(r"\$(\w+)", query))
    assert used <= {*names, "timeFilter", "__interval"}


def test_every_state_has_a_colour() -> None:
    for panel in dashboard()["panels"]:
        if panel["type"] == "state-timeline":
            [mapping] = panel["fieldConfig"]["defaults"]["mappings"]
            assert {*State, *AlarmState, *SensorState} <= set(mapping["options"])


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.from_regex(r"\A[a-z]+\Z"), inner)
        ),
        max_leaves=20,
    )
)
def test_yaml_has_one_scalar_or_key_per_line_and_indents_by_two_spaces(
    value: object,
) -> None:
    lines = to_yaml(value).split("\n")
    assert lines.pop() == ""
    for line in lines:
        rest = re.sub(r"^ *(- )*([a-z]+:( |$))?", "", line)
        if rest:
            json.loads(rest)  # every scalar is one that JSON has too


def test_yaml_of_lists_in_maps_in_lists() -> None:
    value = {"a": [{"b": [1, [2, "x: y"]], "c": None}, []], "d": {}}
    assert to_yaml(value) == (
        "a:\n"
        "  - b:\n"
        "      - 1\n"
        "      - - 2\n"
        '        - "x: y"\n'
        "    c: null\n"
        "  - []\n"
        "d: {}\n"
    )


def test_the_command_lists_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--out", tmp_path, "--api", "v1", "--database", "plant") == 0
    printed = capsys.readouterr()
    assert sorted(printed.out.split()) == sorted(
        str(tmp_path / name) for name in files(database(), tmp_path)
    )
    assert "INFLUX_PASSWORD" in printed.err


def test_bucket_is_another_name_of_database(tmp_path: Path) -> None:
    assert run("--out", tmp_path, "--bucket", "vibration") == 0
    assert 'dbName: "vibration"' in (tmp_path / DATA_SOURCE).read_text()


def test_an_error_names_the_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="check the folder") as raised:
        run("--out", tmp_path / "file")
    assert str(raised.value).startswith(str(tmp_path / "file"))

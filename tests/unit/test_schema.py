"""The strict decoder: all problems at once, each with its key and cure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from sensorml.errors import ConfigError, PluginError
from sensorml.schema import Decoder, Table, Tagged, decode_file, nearest, read_toml


class Shape(Tagged, frozen=True, kw_only=True):
    @classmethod
    def of_kind(cls, name: object) -> type[Tagged]:
        if name == "circle":
            return Circle
        if name == "square":
            return Square
        raise PluginError(f"there is no shape {name!r}", "draw a circle")


class Circle(Shape, frozen=True, kw_only=True, tag="circle"):
    radius: Annotated[float, Meta(gt=0)]


class Square(Shape, frozen=True, kw_only=True, tag="square"):
    side: float = 1.0


class Point(Table, frozen=True, kw_only=True):
    x: float
    y: float = 0.0


class Drawing(Table, frozen=True, kw_only=True):
    name: str
    shape: Shape = Square()
    points: tuple[Point, ...] = ()
    origin: Point | None = None
    colour: Literal["red", "green"] = "red"
    copies: Annotated[int, Meta(ge=1, le=9)] = 1
    sizes: tuple[float, ...] = ()
    visible: bool = True
    scale: float = 1.0
    address: Annotated[int, Meta(ge=0x76, le=0x77)] = 0x76
    serial: Annotated[str, Meta(pattern="^28-[0-9a-f]+$")] = "28-0"
    inputs: tuple[Literal["0", "1"], ...] = ()
    spot: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if self.copies > 1 and not self.visible:
            raise ValueError("is invisible and copied: set copies to 1")


def decoded(table: object) -> tuple[Drawing | None, list[str]]:
    decoder = Decoder("f.toml")
    drawing = decoder.table(table, Drawing)
    return drawing, [str(problem) for problem in decoder.problems]


def test_a_table_becomes_its_type() -> None:
    table = {
        "name": "n",
        "shape": {"kind": "circle", "radius": 2},
        "points": [{"x": 1}, {"x": 2, "y": 3}],
        "origin": {"x": 0},
        "sizes": [1, 2.5],
    }
    assert decoded(table) == (
        Drawing(
            name="n",
            shape=Circle(radius=2.0),
            points=(Point(x=1.0), Point(x=2.0, y=3.0)),
            origin=Point(x=0.0),
            sizes=(1.0, 2.5),
        ),
        [],
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"nam": 1}, "nam: unknown key: did you mean name?"),
        ({"zzzz": 1}, "zzzz: unknown key: use one of address, colour, copies, "),
        ({"name": 1}, "name: is 1: give text in quotes"),
        ({"copies": "two"}, "copies: is 'two': give a whole number at least 1"),
        ({"copies": 10}, "copies: is 10: give a whole number at least 1, at most 9"),
        ({"copies": 2**64}, f"copies: is {2**64}, more than 64 bits: give a whole"),
        ({"address": 0x78}, "address: is 0x78: give 0x76 or 0x77"),
        ({"address": "0x76"}, "address: is '0x76': give 0x76 or 0x77"),
        ({"serial": "10-0"}, "serial: is '10-0': give text in quotes that matches ^28"),
        ({"copies": True}, "copies: is True: give a whole number"),
        ({"copies": 1.5}, "copies: is 1.5: give a whole number"),
        ({"visible": "yes"}, "visible: is 'yes': give true or false"),
        ({"colour": "rad"}, 'colour: is \'rad\': use one of "red", "green"'),
        ({"sizes": 1}, "sizes: is 1: give a list, each a number"),
        ({"sizes": ["1"]}, "sizes: is ['1']: give a list, each a number"),
        ({"sizes": [1.0, float("nan")]}, "sizes: is [1.0, nan]: give a list"),
        ({"scale": float("nan")}, "scale: is nan: give a number"),
        ({"scale": float("-inf")}, "scale: is -inf: give a number"),
        (
            {"inputs": ["4", "0-2"]},
            "inputs: is ['4', '0-2']: give a list, each one of \"0\", \"1\"",
        ),
        ({"spot": [1]}, "spot: is [1]: give a list of 2, each a whole number"),
        ({"name": "mo\0tor"}, "name: is 'mo\\x00tor', with control characters: give"),
        ({"origin": 1}, "origin: is 1: give a table"),
        ({"origin": {}}, "origin.x: missing: give a number"),
        ({"origin": {"x": 1, "z": 1}}, "origin.z: unknown key: use one of x, y"),
        ({"points": [{"x": 1}, {"y": 1}]}, "points[1].x: missing: give a number"),
        ({"points": [1]}, "points[0]: is not a table"),
        ({"points": {"x": 1}}, "points: is {'x': 1}: give a table"),
        ({"shape": {"kind": "circle"}}, "shape.radius: missing: give a number above 0"),
        (
            {"shape": {"kind": "circle", "radius": 0}},
            "shape.radius: is 0: give a number above 0",
        ),
        (
            {"shape": {"kind": "star"}},
            "shape.kind: there is no shape 'star': draw a circle",
        ),
        ({"shape": {"kind": []}}, "shape.kind: there is no shape []: draw a circle"),
        ({"shape": {"radius": 1}}, "shape.kind: there is no shape None: draw"),
        ({"copies": 2, "visible": False}, "is invisible and copied: set copies to 1"),
    ],
)
def test_a_problem_is_reported_with_its_key_and_its_cure(change, problem) -> None:
    drawing, problems = decoded({"name": "n", **change})
    assert drawing is None
    assert len(problems) == 1
    assert problems[0].startswith(f"f.toml: {problem}")


def test_all_problems_are_reported_at_once() -> None:
    _, problems = decoded(
        {"copies": 0, "origin": {"x": "a", "w": 1}, "points": [{"x": "b"}], "nome": 1}
    )
    places = [problem.split(": ")[1] for problem in problems]
    assert sorted(places) == [
        "copies",
        "name",
        "nome",
        "origin.w",
        "origin.x",
        "points[0].x",
    ]


def test_a_value_that_is_no_table_is_reported_with_the_right_syntax() -> None:
    decoder = Decoder("f.toml")
    assert decoder.table(5, Drawing, "drawing") is None
    assert str(decoder.problems[0]) == (
        "f.toml: drawing: is not a table: write it as [drawing]"
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "shape", "points", "x", "kind", "radius", "sizes"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(values)
def test_no_value_makes_the_decoder_fail_otherwise_than_by_a_problem(value) -> None:
    drawing, problems = decoded(value)
    assert (drawing is None) == bool(problems)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file: check the path"),
        (b"a = ", "not TOML"),
        (b"a = 1\na = 2", "not TOML"),
        (b"a = " + b"[" * 5000, "is nested too deeply: use fewer levels of tables"),
        (b"a" + b".a" * 12_000 + b" = 1", "is nested too deeply"),
        (b"a = " + b"9" * 5000, "not TOML: a number has thousands of digits"),
        (b"\x7fELF\xff\xfe", "not UTF-8 at byte 4: save the file as UTF-8"),
    ],
)
def test_a_file_that_is_no_toml_is_one_problem(
    tmp_path: Path, content, message
) -> None:
    path = tmp_path / "f.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        read_toml(path)
    [problem] = raised.value.problems
    assert problem.file == str(path)
    assert message in str(problem)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder: name a file in it"):
        read_toml(tmp_path)


def test_an_editors_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1")
    assert read_toml(path) == {"a": 1}


def test_a_file_is_one_table(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text("x = 1\ny = 2")
    assert decode_file(path, Point) == Point(x=1.0, y=2.0)
    path.write_text("z = 1")
    with pytest.raises(ConfigError) as raised:
        decode_file(path, Point)
    assert [problem.key for problem in raised.value.problems] == ["z", "x"]


def test_the_nearest_word_or_all_of_them() -> None:
    assert nearest("adress", ["bus", "address"]) == "did you mean address?"
    assert nearest("zzz", ["b", "a"]) == "use one of a, b"
    assert nearest("zzz", []) == "remove it"

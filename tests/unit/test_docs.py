"""The documentation knows every key, its default, and examples that are good."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from sensorml.config import loading
from sensorml.config import tables as config
from sensorml.drivers import gpio, pulse
from sensorml.recordings.formats import ENDINGS
from sensorml.recordings.inspection.facts import ChannelFacts, Facts, FindingFacts

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("lines", "configuration")
TABLES = {
    "`[[alarm]]`": config.Alarm,
    "`[alarm.when]`": config.When,
    "`[model.trigger]`": config.Trigger,
    "`[[meter]]`": config.Meter,
    "`[heartbeat]`": config.Heartbeat,
    "`[[model]]`": config.Model,
    "`[[bus]]`": config.Bus,
    "`[store]`": config.Store,
    "`[web]`": config.Web,
    '`driver = "gpio"`': gpio.Options,
    '`driver = "pulse"`': pulse.Options,
}
"""The subject of each section of those pages."""
ROW = re.compile(r"^\| `(\w+)` \|(?: `(.+?)`)? \| ", re.MULTILINE)


def sections() -> dict[str, str]:
    """The text below every heading."""
    text = "\n".join((DOCS / f"{name}.md").read_text() for name in PAGES)
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def toml(value: object) -> str:
    """Write a default as one would; nothing for one that is none."""
    if value is None or value is msgspec.NODEFAULT:
        return ""
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_is_there_with_its_default(heading: str) -> None:
    fields = msgspec.structs.fields(TABLES[heading])
    expected = {field.name: toml(field.default) for field in fields}
    assert dict(ROW.findall(sections()[heading])) == expected


@pytest.mark.parametrize(
    ("heading", "kind"),
    [("`[[sensor]]`", config.Sensor), ("`[[sink]]`", config.Sink)],
)
def test_every_key_that_all_drivers_share_is_there(heading: str, kind: type) -> None:
    keys = dict(ROW.findall(sections()[heading]))
    assert [*keys] == [field for field in kind._fields if field != "options"]


def test_there_is_a_section_for_every_table_of_the_configuration() -> None:
    tables = {
        kind
        for kind in vars(config).values()
        if isinstance(kind, type) and issubclass(kind, config.Table)
        if kind.__module__ == config.__name__
    }
    assert tables <= set(TABLES.values())


@pytest.mark.parametrize("heading", ["A contact and an alarm", "A tachometer"])
def test_the_examples_are_good(heading: str, tmp_path: Path) -> None:
    [example] = re.findall("```toml\n(.*?)```", sections()[heading], re.DOTALL)
    file = tmp_path / "example.toml"
    file.write_text(example)
    assert loading.load(file).warnings == ()


@pytest.mark.parametrize("kind", [Facts, ChannelFacts, FindingFacts])
def test_every_key_of_the_facts_of_a_recording_is_on_their_page(kind: type) -> None:
    page = (DOCS / "recordings.md").read_text().partition("## JSON of `inspect`")[2]
    named = set(re.findall(r"`(\w+)`", page))
    assert {field.name for field in msgspec.structs.fields(kind)} <= named


def test_every_ending_that_is_read_is_on_the_page_of_recordings() -> None:
    page = (DOCS / "recordings.md").read_text()
    assert set(ENDINGS) <= set(re.findall(r"\.\w+", page))

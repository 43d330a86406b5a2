"""The service during an outage of its database."""

from __future__ import annotations

from contextlib import closing
from importlib.resources import files

import pytest
from processes import start, stop, wait_for_line

from sensorml.storage.reader import Reader
from sensorml.storage.tables import COLUMNS

SINK = """
[[sink]]
driver = "influxdb"
url = "{url}"
api = "v1"
database = "plant"
"""


@pytest.fixture
def box(own_influxd, tmp_path):
    """The configuration of the demo with a sink, and the path of its journal."""
    return configured(tmp_path, own_influxd.url), tmp_path / "journal.db"


def configured(tmp_path, url):
    demo = (files("sensorml") / "demo.toml").read_text("utf-8")
    config = tmp_path / "box.toml"
    config.write_text(demo + SINK.format(url=url))
    return config


def predictions(store):
    """Return the score of every window in the journal by the window's end."""
    end, score = (COLUMNS["prediction"].index(name) for name in ("end_ns", "score"))
    with closing(Reader.open(store)) as reader:
        rows = reader.rows("prediction", 0, 10_000)
    return {row[end]: row[score] for row in rows}


def test_an_outage_of_the_database_loses_and_duplicates_no_row(own_influxd, box):
    config, store = box
    process = start("run", config, "--store", store)
    wait_for_line(process, "unknown → normal")
    while not own_influxd.rows("plant", "prediction"):
        pass
    own_influxd.stop()
    wait_for_line(process, "sink influxdb: ok → away")
    before = len(predictions(store))
    while len(predictions(store)) < before + 10:  # more than three seconds
        pass
    own_influxd.start()
    wait_for_line(process, "sink influxdb: away → ok")
    code, log = stop(process)
    assert code == 0, log
    stored = predictions(store)
    delivered = own_influxd.rows("plant", "prediction")
    assert len(delivered) == len(stored)
    assert {row["time"]: row["score"] for row in delivered} == pytest.approx(stored)
    events = own_influxd.rows("plant", "event")
    assert [e["state"] for e in events if e["subject"] == "influxdb"] == ["away", "ok"]


def test_an_absent_database_does_not_delay_a_stop(tmp_path):
    config = configured(tmp_path, "http://127.0.0.1:9")
    process = start("run", config, "--store", tmp_path / "journal.db")
    wait_for_line(process, "sink influxdb: ok → away")
    code, log = stop(process)
    assert code == 0, log
    assert "service demo: stopped" in log


def test_the_journal_keeps_the_offset_of_delivered_rows(own_influxd, box):
    config, store = box
    process = start("run", config, "--store", store)
    wait_for_line(process, "unknown → normal")
    while not own_influxd.rows("plant", "prediction"):  # the sink is imported by then
        pass
    assert stop(process)[0] == 0
    with closing(Reader.open(store)) as reader:
        for kind in ("prediction", "alarm", "event"):
            assert reader.offset("influxdb", kind) == reader.last_id(kind) > 0

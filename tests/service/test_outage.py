"""The whole service, its database away and back again."""

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
    """The demo with a sink, and the journal that it will write."""
    return configured(tmp_path, own_influxd.url), tmp_path / "journal.db"


def configured(tmp_path, url):
    demo = (files("sensorml") / "demo.toml").read_text("utf-8")
    config = tmp_path / "box.toml"
    config.write_text(demo + SINK.format(url=url))
    return config


def predictions(store):
    """Return end and score of every window in the journal, by end."""
    end, score = (COLUMNS["prediction"].index(name) for name in ("end_ns", "score"))
    with closing(Reader.open(store)) as reader:
        found = reader.read("prediction", 0, 10_000)
    return {row[end]: row[score] for _, row in found}


def test_an_outage_of_the_database_loses_nothing_and_doubles_nothing(own_influxd, box):
    config, store = box
    process = start("run", config, "--store", store)
    wait_for_line(process, "unknown → normal")
    while not own_influxd.rows("plant", "prediction"):
        pass
    own_influxd.stop()
    wait_for_line(process, "sink influxdb: ok → away")
    before = len(predictions(store))
    while len(predictions(store)) < before + 10:  # three seconds and more
        pass
    own_influxd.start()
    wait_for_line(process, "sink influxdb: away → ok")
    code, log = stop(process)
    assert code == 0, log
    kept = predictions(store)
    delivered = own_influxd.rows("plant", "prediction")
    assert len(delivered) == len(kept)
    assert {row["time"]: row["score"] for row in delivered} == pytest.approx(kept)
    events = own_influxd.rows("plant", "event")
    assert [e["state"] for e in events if e["subject"] == "influxdb"] == ["away", "ok"]


def test_a_database_that_is_away_does_not_hold_up_a_stop(tmp_path):
    config = configured(tmp_path, "http://127.0.0.1:9")
    process = start("run", config, "--store", tmp_path / "journal.db")
    wait_for_line(process, "sink influxdb: ok → away")
    code, log = stop(process)
    assert code == 0, log
    assert "service demo: stopped" in log


def test_what_was_delivered_is_not_delivered_again_by_the_next_run(box):
    config, store = box
    process = start("run", config, "--store", store)
    wait_for_line(process, "unknown → normal")
    assert stop(process)[0] == 0
    with closing(Reader.open(store)) as reader:
        for kind in ("prediction", "alarm", "event"):
            assert reader.offset("influxdb", kind) == reader.last_id(kind) > 0

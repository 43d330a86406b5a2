"""`sensorml letters`: refused rows are listed, shown, sent again and dropped."""

from __future__ import annotations

import json

import pytest
from scripted_server import reply, scripted_server

from sensorml.cli import main
from sensorml.storage.journal import Journal
from sensorml.storage.letters import Letters
from sensorml.storage.rows import Letter

SINK = """
[[sensor]]
name = "m"
driver = "sim"

[[sink]]
driver = "influxdb"
url = "{url}"
api = "v1"
database = "plant"
"""


@pytest.fixture
def server():
    with scripted_server() as server:
        yield server


@pytest.fixture
def journal(tmp_path):
    """A journal of ten events, of which three are in two letters."""
    journal = Journal.open(tmp_path / "journal.db")
    rows = [(n, "sensor", "m", "ok", "", f"row {n}", None) for n in range(1, 11)]
    journal.append({"event": rows})
    letters = [
        Letter("event", 3, 3, 1, "HTTP 400: \x1b[31mno"),
        Letter("event", 5, 8, 2, "HTTP 422: dropped=2"),
    ]
    journal.acknowledge("influxdb", "event", 10, letters)
    journal.acknowledge("other", "event", 10, letters[:1])
    journal.flush()
    yield journal
    journal.close()


@pytest.fixture
def store(journal):
    return journal.path


@pytest.fixture
def config(tmp_path, server):
    path = tmp_path / "box.toml"
    path.write_text(SINK.format(url=server.url))
    return path


def letters(*words):
    return main(["letters", *map(str, words)])


def test_the_list_has_each_letter_with_its_reason(store, capsys):
    assert letters("list", "--store", store, "--sink", "influxdb") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("1  20")
    assert "influxdb  row 3 of event was refused (HTTP 400: " in first
    assert first.isprintable()
    assert "2 rows of event from 5 to 8 were refused" in second


def test_the_list_as_json(store, capsys):
    assert letters("list", "--store", store, "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(x["id"], x["sink"], x["first_id"]) for x in listed] == [
        (1, "influxdb", 3),
        (2, "influxdb", 5),
        (3, "other", 3),
    ]


def test_the_rows_of_a_letter_are_shown(store, capsys):
    assert letters("show", "--store", store, "--id", 2) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["detail"] for row in rows] == [f"row {n}" for n in (5, 6, 7, 8)]
    assert rows[0]["table"] == "event"


def test_rows_that_are_accepted_now_are_letters_no_more(store, config, server, capsys):
    assert letters("resend", config, "--store", store) == 0
    sent = [line for request in server.requests for line in request.lines]
    assert len(sent) == 5
    assert 'detail="row 3"' in sent[0]
    assert [x.sink for x in Letters(store).list()] == ["other"]
    assert "1 letters are of sinks" in capsys.readouterr().out


def test_rows_that_are_refused_again_are_kept(store, config, server, capsys):
    server.answer = lambda request: reply(400 if len(request.lines) > 1 else 204, "no")
    assert letters("resend", config, "--store", store, "--sink", "influxdb") == 1
    assert [x.id for x in Letters(store).list(sink="influxdb")] == [2]
    assert "2  kept" in capsys.readouterr().out


def test_letters_are_dropped_and_their_rows_stay(store, capsys):
    assert letters("drop", "--store", store, "--id", 1) == 0
    assert [x.id for x in Letters(store).list()] == [2, 3]
    assert letters("drop", "--store", store) == 0
    assert Letters(store).list() == []
    assert main(["export", "--store", str(store), "--kind", "events"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + 11


def test_a_letter_that_does_not_exist_is_an_error(store, capsys):
    assert letters("show", "--store", store, "--id", 9) == 1
    assert "there is no letter 9" in capsys.readouterr().err


def test_a_journal_of_an_older_version_is_named(tmp_path, store, capsys):
    import sqlite3

    with sqlite3.connect(store) as db:
        db.execute("DROP TABLE letter")
    db.close()
    assert letters("list", "--store", store) == 1
    assert "start the service once" in capsys.readouterr().err


def test_the_same_rows_are_one_letter(journal, store):
    journal.acknowledge("influxdb", "event", 10, [Letter("event", 3, 3, 1, "new")])
    journal.flush()
    mine = [x.letter.reason for x in Letters(store).list(sink="influxdb")]
    assert mine == ["HTTP 422: dropped=2", "new"]

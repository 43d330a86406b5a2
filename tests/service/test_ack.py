"""`ack` beside the running service."""

from __future__ import annotations

import json

from processes import sensorml, start, stop, wait_for_line

BOX = """
[[sensor]]
name = "oil"
driver = "sim"
[[alarm]]
name = "any"
sensor = "oil"
latch = true
[alarm.when]
above = -1e6
[store]
path = "journal.db"
"""


def test_an_acknowledgement_is_an_event_with_its_author(tmp_path):
    config, store = tmp_path / "box.toml", tmp_path / "journal.db"
    config.write_text(BOX)
    service = start("run", config)
    wait_for_line(service, "alarm any")
    done = sensorml("ack", "any", "--store", store, "--by", "Ana")
    assert (done.returncode, done.stderr) == (0, "")
    done = sensorml("ack", "none", "--store", store)
    assert done.returncode == 1
    assert done.stderr == "sensorml: there is no alarm 'none': use one of any\n"
    assert stop(service)[0] == 0
    export = sensorml("export", "--store", store, "--kind", "events", "--format=jsonl")
    events = [json.loads(line) for line in export.stdout.splitlines()]
    [event] = [each for each in events if each["state"] == "acknowledged"]
    assert (event["subject"], event["detail"]) == ("any", "by Ana")


def test_without_a_service_nothing_is_acknowledged(tmp_path):
    done = sensorml("ack", "any", "--store", tmp_path / "journal.db")
    assert done.returncode == 1
    assert "no service runs with the journal" in done.stderr

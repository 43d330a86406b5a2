"""A journal at its limit of size: what goes first."""

from __future__ import annotations

import pytest
from journals import EVENT, SENSOR, prediction, settle, stored

from sensorml.storage.journal import Journal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "made" / "journal.db"


@pytest.fixture
def journal(path):
    journal = Journal.open(path)
    yield journal
    journal.close()


def test_at_the_limit_counts_of_sensors_go_before_events(path):
    journal = Journal.open(path, max_mb=1)
    journal.append({"event": [EVENT] * 50})
    for _ in range(40):
        journal.append({"sensor": [SENSOR] * 2000})
        settle(journal)
    journal.close()
    assert (
        journal.retention.dropped["sensor"] == 80_000 - len(stored(path, "sensor")) > 0
    )
    assert len(stored(path, "event")) == 50


def test_at_the_limit_old_predictions_are_thinned_then_deleted_and_alarms_kept(path):
    journal = Journal.open(path, max_mb=1)
    alarm = (5, "bad", "motor", "m", "alarm", "normal", "3 of 5", 2.0, 1.0)
    journal.append({"alarm": [alarm] * 50, "event": [EVENT] * 50})
    written = 0
    for _ in range(30):
        states = ["normal"] * 999 + ["anomaly"]
        journal.append({"prediction": [prediction(state=s) for s in states]})
        settle(journal)
        written += 1000
    kept = stored(path, "prediction")
    cap = journal.retention
    journal.close()
    assert 2000 < len(kept) < written
    assert len(kept) + cap.thinned + cap.dropped["prediction"] == written
    assert cap.thinned > 0
    assert kept[-1][0] == written
    assert len(stored(path, "alarm")) == 50
    assert len(stored(path, "event")) == 50
    assert path.stat().st_size < 2_000_000
    [incident] = journal.incidents
    assert "thinned" in incident


def test_thinning_deletes_normal_rows_only(path):
    journal = Journal.open(path, max_mb=1)
    while not journal.retention.thinned:
        states = ["normal", "anomaly"] * 500
        journal.append({"prediction": [prediction(state=s) for s in states]})
        settle(journal)
    ids = [id_ for id_, _ in stored(path, "prediction")]
    journal.close()
    anomalies = [id_ for id_ in ids if id_ % 2 == 0]
    assert anomalies == list(range(anomalies[0], ids[-1] + 1, 2))
    assert len(ids) - len(anomalies) < len(anomalies)


def test_at_the_limit_with_events_only_the_oldest_go(path):
    journal = Journal.open(path, max_mb=1)
    for _ in range(15):
        journal.append({"event": [EVENT] * 2000})
        settle(journal)
    journal.close()
    kept = stored(path, "event")
    assert journal.retention.dropped["event"] == 30_000 - len(kept) > 0
    assert kept[-1][0] == 30_000

"""The rows about the computer and the sinks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from monitor_bench import LOUD, Bench

import sensorml
from sensorml.hardware.health import Health
from sensorml.service.box import box_row, sink_rows, size_bytes
from sensorml.storage.retry_policy import Status

HOT = Health(
    temperature_c=81.0,
    throttling=("throttled now", "under-voltage since start"),
    load=1.5,
    memory_free_bytes=100,
    process_bytes=70,
    disk_free_bytes=1000,
)


def running(bench: Bench, **sinks: Status) -> SimpleNamespace:
    return SimpleNamespace(
        monitor=bench.monitor,
        outbox=bench.outbox,
        committer=SimpleNamespace(error=""),
        deliveries=[
            SimpleNamespace(name=name, status=status) for name, status in sinks.items()
        ],
        started_ns=5,
    )


def test_a_box_counts_its_alarms_and_the_sensors_that_are_not_in_order() -> None:
    bench = Bench()
    bench.read("motor", LOUD)
    row = box_row(running(bench), HOT, 4096, 25)
    assert (row.alarms, row.blind, row.faults) == (1, 1, 1)  # the door is not read yet
    assert "bad alarm" in row.state
    assert row.version == sensorml.__version__
    assert row.uptime_ns == 20
    assert row.waiting == len(bench.outbox) > 0


def test_a_box_has_the_health_of_its_machine() -> None:
    row = box_row(running(Bench()), HOT, 4096, 0)
    assert (row.temperature_c, row.throttled, row.load) == (81.0, 1, 1.5)
    assert row.throttling == "throttled now, under-voltage since start"
    assert row.journal_bytes == 4096


def test_every_sink_has_a_row_with_its_backlog() -> None:
    away = Status("away", "HTTP 503", backlog=7, set_aside=2)
    rows = sink_rows(running(Bench(), plant=away, cloud=Status()), 9)
    assert rows == [
        (9, "plant", "away", "HTTP 503", 7, 2),
        (9, "cloud", "ok", "", 0, 0),
    ]


def test_the_size_of_a_journal_includes_its_log(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    assert size_bytes(journal) == 0
    journal.write_bytes(b"x" * 10)
    (tmp_path / "journal.db-wal").write_bytes(b"x" * 5)
    assert size_bytes(journal) == 15

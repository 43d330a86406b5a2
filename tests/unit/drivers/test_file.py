"""The file driver: a recording's rows at their times, by a simulated clock."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.drivers import file
from sensorml.errors import RecordingError, SensorError, SourceEndedError
from sensorml.recordings import write_npz
from sensorml.recordings.tables.clocks import TIME_UNITS
from sensorml.types import Block

SECOND = 1_000_000_000
RATE_HZ = 100.0
PERIOD = SECOND // 100
NOON = 1_700_000_000 * SECOND


class Clock:
    def __init__(self) -> None:
        self.now = 5_000 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A second of rows 0 to 99, with 30 rows missing before row 40."""
    path = tmp_path / "bench.npz"
    rows = np.arange(100)
    write_npz(
        path,
        samples=rows[:, None].astype(np.float32),
        rate_hz=RATE_HZ,
        channels=("x",),
        unit="g",
        start_ns=NOON,
        t_ns=NOON + (rows + 30 * (rows >= 40)) * PERIOD,
    )
    return path


def start_driver(path: Path, clock: Clock, **options: object) -> file.Driver:
    driver = file.Driver(file.Options(path=str(path), **options), clock=clock)
    driver.start()
    return driver


def drain(driver: file.Driver, clock: Clock, until: int) -> list[Block]:
    """Read once a period, until the clock reaches `until`."""
    blocks = []
    while clock.now < until:
        clock.now += round(driver.period_s * SECOND)
        if (block := driver.read()) is not None:
            blocks.append(block)
    return blocks


def test_no_row_comes_before_it_is_due(path: Path, clock: Clock):
    driver = start_driver(path, clock, pace="real")
    assert driver.period_s == pytest.approx(0.05)
    assert driver.read() is None
    clock.now += 4 * PERIOD - 1
    assert driver.read() is None
    clock.now += 1
    block = driver.read()
    assert block is not None
    assert block.samples[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert block.age_ns == 0
    assert driver.read() is None


def test_a_late_reader_gets_all_that_is_due_and_how_old_it_is(path: Path, clock: Clock):
    driver = start_driver(path, clock)
    began = clock.now
    clock.now += 12 * PERIOD + 3
    block = driver.read()
    assert block is not None
    assert block.samples[:, 0].tolist() == list(range(13))
    assert block.start_ns == began
    assert block.age_ns == 3


def test_a_gap_takes_its_time_and_counts_missed_rows(path: Path, clock: Clock):
    driver = start_driver(path, clock)
    began = clock.now
    blocks = drain(driver, clock, began + 39 * PERIOD)
    assert sum(len(b.samples) for b in blocks) == 40
    assert drain(driver, clock, began + 69 * PERIOD) == []
    after = drain(driver, clock, began + 129 * PERIOD)
    assert after[0].missed == 30
    assert after[0].start_ns == began + 70 * PERIOD
    assert sum(b.missed for b in after) == 30
    assert sum(len(b.samples) for b in after) == 60


def test_it_ends_with_its_last_row(path: Path, clock: Clock):
    driver = start_driver(path, clock)
    drain(driver, clock, clock.now + 130 * PERIOD)
    with pytest.raises(SourceEndedError, match=r"bench\.npz: the recording"):
        driver.read()


def test_repeated_it_goes_round_one_period_after_its_last_row(path: Path, clock: Clock):
    driver = start_driver(path, clock, repeat=True)
    began = clock.now
    blocks = drain(driver, clock, began + 265 * PERIOD)
    rows = np.concatenate([b.samples[:, 0] for b in blocks])
    assert rows[:203].tolist() == [*range(100), *range(100), 0, 1, 2]
    second = next(b for b in blocks[1:] if b.samples[0, 0] == 0)
    assert second.start_ns == began + 130 * PERIOD
    assert second.missed == 0


def test_fast_gives_all_at_once_and_ends_now(path: Path, clock: Clock):
    driver = start_driver(path, clock, pace="fast")
    assert driver.period_s == 0
    first, second = driver.read(), driver.read()
    assert first is not None
    assert second is not None
    assert (len(first.samples), len(second.samples), second.missed) == (40, 60, 30)
    assert second.start_ns + 59 * PERIOD == clock.now
    assert first.start_ns == clock.now - 129 * PERIOD
    assert first.age_ns == second.age_ns == 0
    with pytest.raises(SourceEndedError):
        driver.read()


def test_started_again_it_begins_again(path: Path, clock: Clock):
    driver = start_driver(path, clock, pace="fast")
    driver.read()
    driver.stop()
    driver.start()
    block = driver.read()
    assert block is not None
    assert block.samples[0, 0] == 0


def test_it_does_not_read_before_it_is_started(path: Path):
    driver = file.Driver(file.Options(path=str(path)))
    with pytest.raises(SensorError, match="not started"):
        driver.read()


def test_an_absent_file_is_an_error_of_start(tmp_path: Path):
    driver = file.Driver(file.Options(path=str(tmp_path / "none.npz")))
    with pytest.raises(RecordingError, match=r"none\.npz: there is no such file"):
        driver.start()


def test_its_channels_are_those_of_the_file(tmp_path: Path, path: Path):
    assert [(c.name, c.unit) for c in file.channels(file.Options(path=str(path)))] == [
        ("x", "g")
    ]
    table = tmp_path / "two.csv"
    table.write_text("a,b\n1,2\n3,4\n")
    options = file.Options(path=str(table), channels=("b",), rate_hz=10, unit="mm/s")
    assert [(c.name, c.unit) for c in file.channels(options)] == [("b", "mm/s")]


LONG = "t;id;value\n" + "".join(
    f"{10 * row};{name};{row * 7 % 13 * factor}\n"
    for row in range(200)
    for name, factor in (("A", 1), ("B", -1))
)


def test_the_options_for_a_table_choose_time_unit_and_rows(tmp_path: Path, clock):
    table = tmp_path / "long.csv"
    table.write_text(LONG)
    options = {"time": "t", "time_unit": "ms", "where": {"id": "B"}, "unit": "g"}
    found = file.channels(file.Options(path=str(table), **options))
    assert [(channel.name, channel.unit) for channel in found] == [("value", "g")]
    driver = start_driver(table, clock, pace="fast", **options)
    block = driver.read()
    assert block is not None
    assert block.rate_hz == pytest.approx(100)
    assert block.samples[:3, 0].tolist() == [0, -7, -1]


def test_a_table_that_needs_options_is_refused_by_its_first_rows(tmp_path: Path):
    table = tmp_path / "long.csv"
    table.write_text(LONG)
    with pytest.raises(RecordingError, match=r'with where = { "id" = "VALUE" }'):
        file.channels(file.Options(path=str(table), time="t", time_unit="ms"))


def test_options_for_a_table_are_refused_for_another_file(path: Path):
    with pytest.raises(RecordingError, match="is no table"):
        file.channels(file.Options(path=str(path), time="t"))


def test_every_unit_of_time_of_the_commands_is_one_of_the_driver():
    assert get_args(file.TimeUnit) == TIME_UNITS


def test_two_files_do_not_share_a_thread():
    names = {file.Options(path=path).thread for path in ("a.npz", "b.npz")}
    assert len(names) == 2


@settings(deadline=None, max_examples=50)
@given(waits=st.lists(st.integers(0, 60 * PERIOD), max_size=40))
def test_however_it_is_called_every_row_comes_once_and_never_early(
    tmp_path_factory: pytest.TempPathFactory, waits: list[int]
):
    path = tmp_path_factory.getbasetemp() / "rows.npz"
    if not path.exists():
        write_npz(
            path,
            samples=np.arange(200, dtype=np.float32)[:, None],
            rate_hz=RATE_HZ,
            channels=("x",),
            unit="",
            start_ns=NOON,
        )
    clock = Clock()
    began = clock.now
    driver = start_driver(path, clock, repeat=True)
    expected = 0
    for wait in waits:
        clock.now += wait
        while (block := driver.read()) is not None:
            assert block.samples[0, 0] == expected % 200
            assert block.start_ns == began + expected * PERIOD
            expected += len(block.samples)
            assert began + (expected - 1) * PERIOD + block.age_ns == clock.now
    due = (clock.now - began) // PERIOD + 1
    assert expected <= due < expected + 5

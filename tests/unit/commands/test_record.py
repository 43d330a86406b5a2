"""The command record: what becomes of a sensor's rows, failures and times."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sensorml.cli import main
from sensorml.commands.record import fill
from sensorml.errors import BusError, SensorError
from sensorml.recordings import read
from sensorml.recordings.making import NewRecording
from sensorml.recordings.recording import Labels
from sensorml.service.sensor_blocks import Item
from sensorml.types import Block

LABELS = Labels(channels=("x", "y", "z"), unit="g")
RATE_HZ = 3200


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now_ns = 5 * 10**9

    def __call__(self) -> int:
        return self.now_ns


def live(clock: Clock, seconds: float) -> Iterator[Block]:
    """Yield blocks of 0.1 s as a sensor at 3200 Hz does, each at its end."""
    noise = np.random.default_rng(0).normal(0, 1, (RATE_HZ // 10, 3))
    samples = noise.astype(np.float32)
    for _ in range(round(seconds * 10)):
        start_ns = clock.now_ns
        clock.now_ns += 10**8
        yield Block(samples, start_ns, float(RATE_HZ))


def filled(
    path: Path,
    items: Iterator[Item],
    clock: Clock,
    duration_s: float = 1e9,
    stopped: Callable[[], bool] = lambda: False,
) -> NewRecording:
    with NewRecording(path) as recording:
        recording.begin(LABELS)
        fill(recording, items, duration_s, "motor", stopped=stopped, clock=clock)
        recording.finish()
    return recording


def test_a_recording_ends_after_its_duration(tmp_path: Path):
    clock = Clock()
    done = filled(tmp_path / "m.npz", live(clock, 60), clock, duration_s=2.0)
    assert (done.rows.rows, done.rows.seconds) == (6400, 2.0)


def test_a_source_faster_than_time_gives_the_duration_in_its_own_time(tmp_path: Path):
    clock, standing = Clock(), Clock()
    done = filled(tmp_path / "m.npz", live(clock, 60), standing, duration_s=2.0)
    assert done.rows.rows == 6400


def test_a_stop_keeps_what_there_is(tmp_path: Path):
    clock = Clock()
    stop_ns = clock.now_ns + 15 * 10**8
    done = filled(
        tmp_path / "m.npz",
        live(clock, 60),
        clock,
        stopped=lambda: clock.now_ns >= stop_ns,
    )
    assert done.rows.seconds == 1.5
    assert len(read(tmp_path / "m.npz").samples) == 4800


def test_a_failure_is_a_gap_in_the_times_and_reported_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    clock = Clock()

    def items() -> Iterator[Item]:
        yield from live(clock, 1)
        for _ in range(4):
            clock.now_ns += 5 * 10**8
            yield BusError("0x53 on i2c-1: no answer")
        [first, *_] = live(clock, 0.1)
        yield Block(first.samples, first.start_ns, first.rate_hz, missed=6400)

    done = filled(tmp_path / "m.npz", items(), clock)
    assert (done.rows.gaps, done.rows.missed) == (1, 6400)
    segments = read(tmp_path / "m.npz").segments
    assert [(s.first, s.missed) for s in segments] == [(0, 0), (3200, 6400)]
    assert capsys.readouterr().err.count("no answer") == 1


def test_a_sensor_that_never_answers_ends_the_recording_soon(tmp_path: Path):
    clock = Clock()

    def failures() -> Iterator[Item]:
        while True:
            clock.now_ns += 10**9
            yield SensorError("motor: not a MPU6050")

    with pytest.raises(SensorError, match="not a MPU6050"):
        filled(tmp_path / "m.npz", failures(), clock, duration_s=600.0)
    assert clock.now_ns < 12 * 10**9


def test_a_failure_at_the_end_is_returned(tmp_path: Path):
    clock = Clock()

    def items() -> Iterator[Item]:
        yield from live(clock, 1)
        yield BusError("no answer")

    with NewRecording(tmp_path / "m.npz") as recording:
        recording.begin(LABELS)
        error = fill(recording, items(), 9.0, "m", stopped=lambda: False, clock=clock)
    assert str(error) == "no answer"


@pytest.mark.parametrize(
    ("ending", "longest_s"), [(".npz", 600), (".csv", 100), (".wav", 300)]
)
def test_a_long_recording_needs_the_memory_of_a_short_one(
    tmp_path: Path, ending: str, longest_s: int
):
    peaks = []
    for seconds in (longest_s // 4, longest_s):
        clock = Clock()
        tracemalloc.start()
        done = filled(tmp_path / f"m{ending}", live(clock, seconds), clock)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert done.rows.rows == seconds * RATE_HZ
    assert peaks[1] < peaks[0] + 2**20


CONFIG = '[[sensor]]\nname = "t"\ndriver = "lm75"\nbus = "sim"\nrate_hz = 2\n'


def test_an_ending_that_is_no_format_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = tmp_path / "box.toml"
    config.write_text(CONFIG)
    arguments = ["record", str(config), "--sensor", "t", "--duration", "1", "--out"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "motor.mp3"])
    assert ended.value.code == 2
    assert "must be one of .npz, .csv, .wav, .parquet" in capsys.readouterr().err


def test_a_missing_folder_is_found_before_the_first_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = tmp_path / "box.toml"
    config.write_text(CONFIG)
    out = str(tmp_path / "none" / "motor.npz")
    arguments = ["record", str(config), "--sensor", "t", "--duration", "999"]
    assert main([*arguments, "--out", out]) == 1
    assert "No such file or directory" in capsys.readouterr().err

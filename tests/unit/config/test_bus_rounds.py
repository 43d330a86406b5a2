"""Slow sensors on one thread: the time of a round, and what follows from it."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from sensorml.config import loading
from sensorml.config.bus_rounds import rounds
from sensorml.errors import ConfigError
from sensorml.service import build


def plant(folder: Path, count: int, keys: str = "") -> Path:
    path = folder / "plant.toml"
    path.write_text(
        "".join(
            f'[[sensor]]\nname = "t{i}"\ndriver = "ds18b20"\n'
            f'id = "28-0316a27900{i:02x}"\n{keys}\n'
            for i in range(count)
        )
    )
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        loading.load(path)
    return [str(problem) for problem in refused.value.problems]


def test_a_round_of_seven_together_and_one_by_one(tmp_path: Path) -> None:
    visits = rounds(loading.load(plant(tmp_path, 7)).sensors)["w1"]
    assert visits.together_s == pytest.approx(0.834)
    assert visits.apart_s == pytest.approx(5.334)
    assert visits.load == pytest.approx(0.834)


def test_fewer_bits_make_a_round_shorter(tmp_path: Path) -> None:
    path = plant(tmp_path, 7, "resolution_bits = 9")
    assert rounds(loading.load(path).sensors)["w1"].apart_s == pytest.approx(0.749)


def test_other_sensors_have_no_round(tmp_path: Path) -> None:
    path = tmp_path / "plant.toml"
    path.write_text('[[sensor]]\nname = "a"\ndriver = "lm75"\n')
    assert rounds(loading.load(path).sensors) == {}


def test_more_than_the_bus_can_measure_is_refused_once_with_a_rate_that_fits(
    tmp_path: Path,
) -> None:
    [problem] = problems(plant(tmp_path, 30))
    assert "sensor[0].rate_hz: w1 would be busy for 1.11 s of each second" in problem
    assert "lower rate_hz of all to 0.9," in problem
    loading.load(plant(tmp_path, 30, "rate_hz = 0.9"))


def test_a_stale_time_below_a_round_is_refused_with_the_figure(tmp_path: Path) -> None:
    path = plant(tmp_path, 30, "rate_hz = 0.01")
    text = path.read_text()
    path.write_text(text.replace("0.01", "1\nstale_after_s = 1.05", 1))
    [problem] = problems(path)
    assert problem.endswith(
        "sensor[0].stale_after_s: is 1.05, and a round of w1 takes 1.1 s (30 sensors "
        "of up to 0.762 s, measured together): give more, or leave it out for 46 s or "
        "more"
    )


def test_a_stale_time_that_needs_a_common_measurement_is_a_warning(
    tmp_path: Path,
) -> None:
    config = loading.load(plant(tmp_path, 7, "stale_after_s = 5"))
    assert next(str(w).partition(".toml: ")[2] for w in config.warnings).startswith(
        "sensor[0].stale_after_s: is 5, and a round of w1 takes 5.3 s where the "
        "sensors measure one by one: give more, or "
    )
    assert not loading.load(plant(tmp_path, 6, "stale_after_s = 5")).warnings


@pytest.mark.parametrize(("count", "stale_after_s"), [(1, 5.0), (7, 2 * 5.334)])
def test_staleness_counts_from_the_round_that_the_bus_can_do(
    tmp_path: Path, count: int, stale_after_s: float
) -> None:
    config = loading.load(plant(tmp_path, count))

    async def built() -> list[str]:
        with ExitStack() as stack:
            running = build.build(config, tmp_path / "journal.db", stack)
            health = next(iter(running.monitor.sensors.values()))
            started_ns = 0
            health.started(started_ns)
            limit_ns = started_ns + round(stale_after_s * 1e9)
            states = []
            for now_ns in (limit_ns, limit_ns + 1):
                health.tick(now_ns)
                states.append(health.state.value)
            return states

    states = asyncio.run(built())
    assert states[1] == "stale"
    assert states[0] != "stale"

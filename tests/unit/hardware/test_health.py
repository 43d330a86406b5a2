"""The health of a machine: temperature, throttling, load, memory, disk."""

from pathlib import Path

from machine_tree import write

from sensorml.hardware.health import health
from sensorml.hardware.tree import Tree


def test_an_empty_root_has_no_health_but_that_of_the_disk(tmp_path: Path) -> None:
    seen = health(tmp_path, Tree.at(tmp_path))
    assert seen[:5] == (None, (), None, 0, 0)
    assert seen.disk_free_bytes > 0
    assert not seen.throttled


def test_a_folder_that_is_missing_has_no_free_space(tmp_path: Path) -> None:
    assert health(tmp_path / "none", Tree.at(tmp_path)).disk_free_bytes == 0


def test_a_pi_reports_its_hottest_zone_its_load_and_its_memory(tmp_path: Path) -> None:
    for n, milli_c in enumerate(("48312", "61500")):
        write(tmp_path, f"sys/class/thermal/thermal_zone{n}/temp", milli_c)
    write(tmp_path, "proc/loadavg", "0.52 0.58 0.59 1/389 1234\n")
    write(tmp_path, "proc/meminfo", "MemTotal: 900 kB\nMemAvailable: 400 kB\n")
    write(tmp_path, "proc/self/status", "Name: sensorml\nVmRSS:\t70000 kB\n")
    seen = health(tmp_path, Tree.at(tmp_path))
    assert seen.temperature_c == 61.5
    assert seen.load == 0.52
    assert seen.memory_free_bytes == 409_600
    assert seen.process_bytes == 71_680_000


def test_throttling_of_the_past_is_a_reason_and_not_the_present(
    tmp_path: Path,
) -> None:
    place = "sys/devices/platform/soc/soc:firmware/get_throttled"
    write(tmp_path, place, "50000\n")
    past = health(tmp_path, Tree.at(tmp_path))
    assert past.throttling == ("under-voltage since start", "was throttled since start")
    assert not past.throttled
    write(tmp_path, place, "50005\n")
    assert health(tmp_path, Tree.at(tmp_path)).throttled


def test_the_running_machine_has_load_and_memory() -> None:
    seen = health(Path("/"), Tree.at(Path("/")))
    assert seen.load is not None
    assert 1e6 < seen.process_bytes < 1e11
    assert seen.memory_free_bytes > 0

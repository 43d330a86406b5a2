"""Decisions are kept; a damaged or unwritable file is an empty cache, no error."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.delegates.decision_cache import LIMIT, Cache, Decision, folder
from sensorml.inference.latency import Latency

LATENCY = Latency(p50=1.0, p95=2.0, p99=3.0, runs=200)
CPU = Decision(winner="cpu", us={"cpu": LATENCY})


def test_a_decision_is_kept_for_the_next_process(tmp_path):
    Cache(tmp_path / "new").put("key", CPU)
    assert Cache(tmp_path / "new").get("key") == CPU
    assert Cache(tmp_path / "new").get("other") is None


def test_the_newest_decisions_are_kept(tmp_path):
    cache = Cache(tmp_path)
    for n in range(LIMIT + 2):
        cache.put(str(n), CPU)
        cache.put("1", CPU)
    assert cache.get("0") is None
    assert cache.get("1") == CPU
    assert cache.get(str(LIMIT + 1)) == CPU


@given(damage=st.binary(max_size=60))
def test_a_damaged_file_is_an_empty_cache(tmp_path_factory, damage):
    tmp_path = tmp_path_factory.mktemp("cache")
    Cache(tmp_path).put("key", CPU)
    [path] = tmp_path.iterdir()
    path.write_bytes(damage)
    cache = Cache(tmp_path)
    assert cache.get("key") is None
    cache.put("key", CPU)
    assert cache.get("key") == CPU


def test_a_folder_that_cannot_be_written_is_an_empty_cache(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    cache = Cache(tmp_path / "file" / "folder")
    cache.put("key", CPU)
    assert cache.get("key") is None


def test_without_a_folder_the_cache_stays_empty():
    cache = Cache(None)
    cache.put("key", CPU)
    assert cache.get("key") is None


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"CACHE_DIRECTORY": "/c", "STATE_DIRECTORY": "/s"}, "/c"),
        ({"STATE_DIRECTORY": "/s", "XDG_CACHE_HOME": "/x"}, "/s"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/sensorml"),
        ({"HOME": "/h"}, "/h/.cache/sensorml"),
    ],
)
def test_the_file_is_in_systemds_or_the_users_cache_folder(
    monkeypatch, environ, expected
):
    for name in ("CACHE_DIRECTORY", "STATE_DIRECTORY", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert folder() == Path(expected)

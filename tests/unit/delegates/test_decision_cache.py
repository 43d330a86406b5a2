"""What was measured once; damaged or unwritable, it is no cache and no error."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.delegates.decision_cache import KEPT, Cache, Decision, Latency, folder

LATENCY = Latency(p50=1.0, p95=2.0, runs=200)
CPU = Decision(winner="cpu", us={"cpu": LATENCY})


def test_a_decision_outlives_the_process(tmp_path):
    Cache(tmp_path / "new").put("key", CPU)
    assert Cache(tmp_path / "new").get("key") == CPU
    assert Cache(tmp_path / "new").get("other") is None


def test_the_newest_are_kept(tmp_path):
    cache = Cache(tmp_path)
    for n in range(KEPT + 2):
        cache.put(str(n), CPU)
        cache.put("1", CPU)
    assert cache.get("0") is None
    assert cache.get("1") == CPU
    assert cache.get(str(KEPT + 1)) == CPU


@given(damage=st.binary(max_size=60))
def test_a_damaged_file_is_no_cache(tmp_path_factory, damage):
    tmp_path = tmp_path_factory.mktemp("cache")
    Cache(tmp_path).put("key", CPU)
    [path] = tmp_path.iterdir()
    path.write_bytes(damage)
    cache = Cache(tmp_path)
    assert cache.get("key") is None
    cache.put("key", CPU)
    assert cache.get("key") == CPU


def test_a_place_that_cannot_be_written_is_no_cache(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "folder")
    cache.put("key", CPU)
    assert cache.get("key") is None


def test_no_place_at_all_is_no_cache():
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
def test_it_lies_where_systemd_or_the_user_keeps_such_things(
    monkeypatch, environ, expected
):
    for name in ("CACHE_DIRECTORY", "STATE_DIRECTORY", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert folder() == Path(expected)

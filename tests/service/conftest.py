"""Fixtures of real servers, started for a session or for one test."""

from __future__ import annotations

import pytest
import servers as real


@pytest.fixture(scope="session")
def servers():
    return real


@pytest.fixture(scope="session")
def influxd(servers, tmp_path_factory):
    """InfluxDB 1.6 without authentication."""
    yield from _running(servers.Influxd(tmp_path_factory.mktemp("influxd")))


@pytest.fixture
def own_influxd(servers, tmp_path_factory):
    """InfluxDB 1.6 for one test, which may stop it; it accepts small bodies only."""
    folder = tmp_path_factory.mktemp("influxd")
    yield from _running(servers.Influxd(folder, max_body=20_000))


@pytest.fixture
def guarded_influxd(servers, tmp_path_factory):
    """InfluxDB 1.6 that requires a user and a password."""
    folder = tmp_path_factory.mktemp("influxd")
    yield from _running(servers.Influxd(folder, auth=True))


@pytest.fixture(scope="session")
def victoria(servers, tmp_path_factory):
    yield from _running(servers.VictoriaMetrics(tmp_path_factory.mktemp("victoria")))


def _running(server):
    try:
        server.start()
        yield server
    finally:
        server.stop()

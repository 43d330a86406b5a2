"""The cure of a refused device fits the one who refuses it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sensorml.access import denial, is_forbidden
from sensorml.buses import fault_codes
from sensorml.errors import BusReason


@pytest.mark.parametrize("user", [0, 1000])
def test_what_a_container_forbids_is_cured_there_also_for_root(
    monkeypatch: pytest.MonkeyPatch, user: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    reason = denial(errno.EPERM, "/dev/i2c-1")
    assert "--device /dev/i2c-1" in reason.cure
    assert "DeviceAllow=/dev/i2c-1 rw" in reason.cure
    assert "usermod" not in reason.cure


def test_root_is_not_told_to_join_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "usermod" not in denial(errno.EACCES, "/dev/null").cure


def test_a_user_joins_the_group_of_the_node(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    node = tmp_path / "gpiochip0"
    node.touch()

    class Group:
        gr_name = "gpio"

    monkeypatch.setattr("grp.getgrgid", lambda _: Group)
    assert "sudo usermod -aG gpio USER" in denial(errno.EACCES, str(node)).cure


def test_a_bus_that_is_forbidden_is_denied_with_the_cure_of_the_container() -> None:
    err = OSError(errno.EPERM, os.strerror(errno.EPERM))
    error = fault_codes.explained(err, "i2c-1", node="/dev/i2c-1")
    assert error.reason is BusReason.DENIED
    assert "--device /dev/i2c-1" in str(error)
    without_node = fault_codes.explained(err, "i2c-1")
    assert "--device" in str(without_node)
    assert "DeviceAllow=" in str(without_node)


def test_a_node_that_opens_or_is_absent_is_not_forbidden(tmp_path: Path) -> None:
    assert not is_forbidden(os.devnull)
    assert not is_forbidden(str(tmp_path / "absent"))

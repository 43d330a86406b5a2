"""A chip has one owner among all processes."""

from __future__ import annotations

import os
import signal

import pytest
from processes import available, owner

from sensorml.buses.ownership import Hold, held
from sensorml.errors import InUseError

NAME = f"address 0x53 on i2c-test-{os.getpid()}"


def test_a_second_process_learns_who_the_owner_is():
    with owner(NAME, "run", "box.toml") as process:
        with pytest.raises(InUseError) as caught, held(NAME):
            pass
        assert str(caught.value) == (
            f"{NAME} is in use by process {process.pid} (sensorml run box.toml): "
            "wait for its end, or stop it"
        )


def test_a_name_is_free_after_its_owner_was_killed():
    with owner(NAME) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with held(NAME):
            pass


def test_a_name_is_free_after_its_release():
    with held(NAME):
        assert not available(NAME)
    assert available(NAME)


def test_sensors_of_one_process_share_a_name_until_the_last_releases_it():
    first, second = Hold(lambda: [NAME]), Hold(lambda: [NAME, NAME])
    first.take()
    second.take()
    second.take()
    first.release()
    assert not available(NAME)
    second.release()
    assert available(NAME)


def test_all_names_or_none_are_taken():
    free = f"{NAME} free"
    with owner(NAME):
        with pytest.raises(InUseError):
            Hold(lambda: [free, NAME]).take()
        assert available(free)


def test_a_long_command_and_odd_characters_do_not_hide_the_process():
    with owner(NAME, "run", "a\nb", "ö" * 200) as process:
        with pytest.raises(InUseError) as caught, held(NAME):
            pass
        assert f"process {process.pid} (sensorml run a?b öö" in str(caught.value)

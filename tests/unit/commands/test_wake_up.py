"""The delay of wake-ups, and the rates that a FIFO allows with it."""

import argparse
import json
from itertools import accumulate

import pytest

from sensorml.commands.probe import command as probe
from sensorml.commands.probe import wake_up
from sensorml.commands.probe.wake_up import WakeUp, delays_us
from sensorml.errors import Reason

EVERY_S = 1 / 512
"""A time of which sums are exact."""


class LateClock:
    """A clock whose sleeps take longer by the next of some delays, then by none."""

    def __init__(self, *late_s):
        self._late_s = list(late_s)
        self.now_s = 128.0

    def __call__(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds + (self._late_s.pop(0) if self._late_s else 0.0)


def delays(*late):
    """Return the delays of five wake-ups, in their intervals."""
    clock = LateClock(*(intervals * EVERY_S for intervals in late))
    late_us = delays_us(5 * EVERY_S, EVERY_S, clock, clock.sleep)
    return [late / 1e6 / EVERY_S for late in late_us]


def test_each_wake_up_is_compared_with_the_time_at_which_it_was_due():
    assert delays(0, 0.25, 0.75) == pytest.approx([0, 0.25, 0.75, 0, 0])


def test_wake_ups_that_are_overdue_are_skipped():
    assert delays(0, 2.5) == pytest.approx([0, 2.5, 0])


def test_more_rows_in_the_fifo_allow_a_higher_rate():
    rates_hz = WakeUp("normal", longest_us=5000.0).rates_hz
    assert rates_hz == {32: 1600, 85: 4250, 170: 8500}
    assert list(accumulate(rates_hz.values(), max)) == list(rates_hz.values())


def test_the_text_has_the_rates_and_the_reason_for_none():
    delay = WakeUp("normal", median_us=120.0, longest_us=5000.0)
    refused = WakeUp("real time", Reason("it is refused", "allow it"))
    assert list(wake_up.lines([delay, refused]))[1:3] == [
        (
            "normal: 0.12 ms late, at most 5.00 ms; a FIFO of 32 rows up to 1600 Hz, "
            "85 rows up to 4250 Hz, 170 rows at any rate"
        ),
        "real time: it is refused: allow it",
    ]


def test_probe_measures_both_kinds_of_scheduling(capsys: pytest.CaptureFixture[str]):
    parser = argparse.ArgumentParser()
    probe.add_arguments(parser)
    assert probe.run(parser.parse_args(["--json", "--wake-up"])) == 0
    normal, real_time = json.loads(capsys.readouterr().out)["wake_up"]
    assert normal["scheduling"] == "normal"
    assert 0 < normal["median_us"] <= normal["longest_us"]
    assert list(normal["rates_hz"]) == ["32", "85", "170"]
    assert bool(real_time["why_not"]) == (not real_time["rates_hz"])

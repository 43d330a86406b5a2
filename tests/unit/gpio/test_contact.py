"""Contacts on lines of the kernel, whose chips and clock are simulated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gpio_chips import FALLING, RISING, GpioChips, Line
from support import MS, Clock

from sensorml.errors import BusError
from sensorml.gpio import contact
from sensorml.gpio.contact import Contact, open_contact
from sensorml.gpio.factory import KernelLine
from sensorml.gpio.kernel import Place

SWITCH = Place(0, 5)
RESISTOR = Place(0, 2)


@pytest.fixture
def chips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> GpioChips:
    def kernel_line(line: int) -> KernelLine:
        return KernelLine(Place(0, line), "up" if line == RESISTOR.number else "")

    monkeypatch.setattr(contact, "kernel_line", kernel_line)
    return GpioChips.install(monkeypatch, tmp_path, {0: 28})


class Switch:
    """A contact on line 5, and the time."""

    def __init__(self, chips: GpioChips, **options: object) -> None:
        self.clock = Clock()
        self.contact: Contact = open_contact(5, clock=self.clock, **options)
        self.line: Line = chips.lines[SWITCH]
        self.settle()

    def settle(self) -> None:
        self.clock.advance(0.05)
        assert self.contact.look() == []

    def wave(self, half_s: float, for_s: float) -> list[tuple[bool, int]]:
        """Let the line change, with a look every 50 ms; return the changes."""
        changes, next_look_ns = [], self.clock.now_ns + 50 * MS
        for _ in range(round(for_s / half_s)):
            self.clock.advance(half_s)
            self.line.edge(self.clock.now_ns, not self.line.high)
            if self.clock.now_ns >= next_look_ns:
                changes += self.contact.look()
                next_look_ns += 50 * MS
        return changes

    @property
    def observed(self) -> bool:
        """True while the kernel is asked for edges."""
        return self.line.flags & (RISING | FALLING) == RISING | FALLING


@pytest.fixture
def switch(chips: GpioChips) -> Iterator[Switch]:
    opened = Switch(chips)
    yield opened
    opened.contact.close()


@pytest.mark.parametrize(
    ("pull", "active", "value"),
    [("up", None, False), ("down", None, False), ("up", "high", True)],
)
def test_an_open_contact_has_the_level_of_its_pull(chips, pull, active, value) -> None:
    opened = Switch(chips, pull=pull, active=active)
    assert opened.contact.value is value
    opened.contact.close()


def test_a_contact_has_no_value_until_a_level_has_lasted(chips) -> None:
    clock = Clock()
    opened = open_contact(5, clock=clock, bounce_s=0.02)
    clock.advance(0.019)
    assert (opened.look(), opened.value) == ([], None)
    clock.advance(0.001)
    assert (opened.look(), opened.value) == ([], False)
    opened.close()


def test_a_change_has_the_kernels_time_of_its_last_bounce(switch) -> None:
    for after_ms, high in [(3, False), (1, True), (2, False)]:
        switch.clock.advance(after_ms / 1e3)
        switch.line.edge(switch.clock.now_ns, high)
    edge_ns = switch.clock.now_ns
    switch.clock.advance(0.049)
    assert switch.contact.look() == []
    switch.clock.advance(0.001)
    assert switch.contact.look() == [(True, edge_ns)]


@pytest.mark.parametrize("hz", [16.7, 50, 60, 100, 400, 3700])
def test_a_square_wave_is_a_disturbance_and_no_change(switch, hz) -> None:
    assert switch.wave(0.5 / hz, 3.0) == []
    assert switch.contact.disturbed is not None
    assert switch.contact.value is False


def test_a_line_that_bounces_for_a_moment_is_not_disturbed(switch) -> None:
    assert switch.wave(0.01, 0.5) == []
    assert switch.contact.disturbed is None


def test_edges_are_ignored_for_a_second_when_there_are_thousands(switch) -> None:
    switch.wave(1 / 8000, 0.06)
    assert not switch.observed
    assert "thousands of edges" in str(switch.contact.disturbed)
    switch.clock.advance(0.9)
    switch.contact.look()
    assert not switch.observed
    switch.clock.advance(0.1)
    switch.contact.look()
    assert switch.observed
    switch.clock.advance(0.05)
    assert switch.contact.look() == []
    assert switch.contact.disturbed is None


def test_a_level_after_ignored_edges_has_to_last(switch) -> None:
    switch.wave(1 / 8000, 0.06)
    switch.clock.advance(0.5)
    switch.line.edge(switch.clock.now_ns, False)  # pressed
    switch.clock.advance(0.5)
    assert switch.contact.look() == []
    again_ns = switch.clock.now_ns
    switch.clock.advance(0.049)
    assert switch.contact.look() == []
    switch.clock.advance(0.001)
    assert switch.contact.look() == [(True, again_ns)]


def test_a_level_before_an_overflow_of_the_queue_has_not_lasted(switch) -> None:
    begin_ns = switch.clock.now_ns
    switch.line.edge(begin_ns + 1 * MS, False)
    switch.line.edge(begin_ns + 90 * MS, True, lost=40)
    switch.clock.advance(0.2)
    assert switch.contact.look() == []


def test_a_line_that_cannot_be_read_names_itself(switch, monkeypatch) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(19, "No such device")

    monkeypatch.setattr("sensorml.gpio.kernel.fcntl.ioctl", fail)
    with pytest.raises(BusError, match="GPIO 5: No such device: name a free line"):
        switch.contact.look()


def test_a_contact_against_the_resistor_of_the_board_is_refused(chips) -> None:
    with pytest.raises(BusError, match="GPIO 2: it has a resistor, pull-up"):
        open_contact(2, pull="down")
    open_contact(2, pull="up").close()


def test_a_closed_contact_releases_its_line(chips, switch) -> None:
    with pytest.raises(BusError, match='GPIO 5: busy, held by "sensorml 5"'):
        open_contact(5)
    switch.contact.close()
    switch.contact = open_contact(5)

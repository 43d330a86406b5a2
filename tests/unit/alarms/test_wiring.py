"""The lines of a configuration, opened on gpiozero's simulated pins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin
from support import Clock

from sensorml.acquisition.inbox import Acknowledge, Arm, Reading
from sensorml.acquisition.inbox import Trigger as Triggered
from sensorml.alarms import wiring
from sensorml.alarms.logic import Signal
from sensorml.alarms.timer import LineTimer
from sensorml.config.tables import (
    Alarm,
    Config,
    Heartbeat,
    Meter,
    Model,
    Store,
    Trigger,
    Web,
)
from sensorml.errors import BusError
from sensorml.gpio import factory as gpiopins
from sensorml.storage.outbox import Outbox


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    gpiopins.factory.cache_clear()
    yield gpiopins.factory()
    gpiopins.factory.cache_clear()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def alarm(**keys: object) -> Alarm:
    return Alarm(name="bad", model="wear", **keys)


def outbox() -> Outbox:
    return Outbox(urgent=lambda: None)


class Inputs:
    """The inputs of alarms, opened, and what they have reported."""

    def __init__(self, stack: ExitStack, lines: MockFactory, *alarms: Alarm) -> None:
        self._lines = lines
        self._clock = Clock()
        self._timer = LineTimer(self._clock)
        self.readings: list[Reading] = []
        self.events: list[tuple[str, str, str]] = []
        wiring.alarm_inputs(
            alarms, stack, self._timer, self.readings.append, self._clock
        )

    def pass_s(self, for_s: float) -> None:
        """Let time pass, with looks at every contact."""
        for _ in range(round(for_s / 0.05)):
            self._clock.advance(0.05)
            self._timer.advance(lambda *event: self.events.append(event))

    def drive(self, line: int, *, high: bool) -> None:
        """Change a line, and wait until the change counts."""
        (
            self._lines.pin(line).drive_high
            if high
            else self._lines.pin(line).drive_low
        )()
        self.pass_s(0.1)

    def hum(self, line: int, for_s: float) -> None:
        """Let a line hum at 50 Hz."""
        for n in range(round(for_s / 0.01)):
            pin = self._lines.pin(line)
            (pin.drive_high if n % 2 else pin.drive_low)()
            self._clock.advance(0.01)
            if n % 5 == 4:
                self._timer.advance(lambda *event: self.events.append(event))

    @property
    def contents(self) -> list[object]:
        return [reading.content for reading in self.readings]


def config(**keys: object) -> Config:
    return Config(Path("box.toml"), "box", (), (), (), (), Store(), Web(), **keys)


@pytest.mark.parametrize(("fail_safe", "level"), [("on", True), ("off", False)])
def test_a_line_that_blinked_is_left_at_its_safe_level(
    lines: MockFactory, fail_safe: str, level: bool
) -> None:
    timer = LineTimer()
    with ExitStack() as opened:
        rule = alarm(gpio=17, pattern="blink", fail_safe=fail_safe)
        line = wiring.alarm_line(rule, opened, timer)
        assert line is not None
        line.set(Signal.SAFE if not level else Signal.OFF)
        assert lines.pin(17).state != level
    assert (lines.pin(17).function, bool(lines.pin(17).state)) == ("output", level)


@pytest.mark.parametrize(("pattern", "timed"), [("level", False), ("pulse", True)])
def test_only_a_line_that_changes_by_itself_needs_the_timer(
    stack: ExitStack, pattern: str, timed: bool
) -> None:
    timer = LineTimer()
    wiring.alarm_line(alarm(gpio=17, pattern=pattern), stack, timer)
    assert timer.needed is timed


def test_an_alarm_without_a_line_has_none(stack: ExitStack) -> None:
    assert wiring.alarm_line(alarm(), stack, LineTimer()) is None


def test_a_closed_contact_arms_and_an_open_one_disarms(
    lines: MockFactory, stack: ExitStack
) -> None:
    inputs = Inputs(stack, lines, alarm(arm_gpio=5))
    inputs.pass_s(0.1)
    assert inputs.contents == [Arm("bad", False)]
    inputs.drive(5, high=False)
    inputs.drive(5, high=True)
    assert inputs.contents[1:] == [Arm("bad", True), Arm("bad", False)]


class Grounded(MockPWMPin):
    """A line with a closed contact to ground."""

    def _get_state(self) -> bool:
        return False


def test_a_contact_that_is_closed_at_the_start_leaves_it_armed(
    lines: MockFactory, stack: ExitStack
) -> None:
    lines.pin(5, pin_class=Grounded)
    inputs = Inputs(stack, lines, alarm(arm_gpio=5))
    inputs.pass_s(0.1)
    assert inputs.contents == [Arm("bad", True)]


def test_a_button_counts_when_it_is_pressed_and_not_when_it_is_released(
    lines: MockFactory, stack: ExitStack
) -> None:
    inputs = Inputs(stack, lines, alarm(acknowledge_gpio=27))
    inputs.pass_s(0.1)
    inputs.drive(27, high=False)
    inputs.drive(27, high=True)
    assert inputs.contents == [Acknowledge("bad", "button 27")]


def test_a_button_that_is_stuck_at_the_start_acknowledges_nothing(
    lines: MockFactory, stack: ExitStack
) -> None:
    lines.pin(27, pin_class=Grounded)
    inputs = Inputs(stack, lines, alarm(acknowledge_gpio=27))
    inputs.pass_s(1.0)
    assert inputs.contents == []


@pytest.mark.parametrize("armed", [True, False])
def test_hum_on_inputs_arms_disarms_and_acknowledges_nothing(
    lines: MockFactory, stack: ExitStack, armed: bool
) -> None:
    inputs = Inputs(stack, lines, alarm(arm_gpio=5, acknowledge_gpio=27))
    inputs.pass_s(0.1)
    inputs.drive(5, high=not armed)
    inputs.readings.clear()
    for line in (5, 27):
        inputs.hum(line, 90.0)
        inputs.drive(line, high=(line == 27 or not armed))
    assert inputs.contents == []
    assert [(name, state) for name, state, _ in inputs.events] == [
        ("arm_gpio 5", "disturbed"),
        ("arm_gpio 5", "ok"),
        ("acknowledge_gpio 27", "disturbed"),
        ("acknowledge_gpio 27", "ok"),
    ]


def test_a_switch_disarms_by_the_level_that_lasts_after_hum(
    lines: MockFactory, stack: ExitStack
) -> None:
    inputs = Inputs(stack, lines, alarm(arm_gpio=5))
    inputs.drive(5, high=False)
    inputs.hum(5, 2.0)
    inputs.drive(5, high=True)
    assert inputs.contents == [Arm("bad", True), Arm("bad", False)]


def test_an_input_that_is_in_use_is_an_error_at_the_start(
    lines: MockFactory, stack: ExitStack
) -> None:
    Inputs(stack, lines, alarm(arm_gpio=5))
    with pytest.raises(BusError, match="GPIO 5"):
        Inputs(stack, lines, alarm(acknowledge_gpio="BOARD29"))


def test_one_button_and_one_switch_serve_many_alarms(
    lines: MockFactory, stack: ExitStack
) -> None:
    alarms = [
        Alarm(name=name, model="wear", acknowledge_gpio=button, arm_gpio=switch)
        for name, button, switch in [
            ("bad", 27, 5),
            ("worse", "BOARD13", "GPIO5"),
            ("other", 26, None),
        ]
    ]
    inputs = Inputs(stack, lines, *alarms)
    inputs.pass_s(0.1)
    inputs.drive(27, high=False)
    inputs.drive(5, high=False)
    assert inputs.contents == [
        Arm("bad", False),
        Arm("worse", False),
        Acknowledge("bad", "button 27"),
        Acknowledge("worse", "button 27"),
        Arm("bad", True),
        Arm("worse", True),
    ]


def test_a_switch_whose_edge_was_lost_counts_when_its_level_has_lasted(
    lines: MockFactory, stack: ExitStack
) -> None:
    inputs = Inputs(stack, lines, alarm(arm_gpio=5))
    inputs.pass_s(0.1)
    inputs.readings.clear()
    lines.pin(5)._state = False  # closed, without an edge
    for expected in ([], [Arm("bad", True)]):
        inputs.pass_s(0.05)
        assert inputs.contents == expected


@pytest.mark.parametrize(("edge", "levels"), [("rising", "hlh"), ("falling", "hl")])
def test_a_trigger_reports_its_own_edges_only(
    lines: MockFactory, stack: ExitStack, edge: str, levels: str
) -> None:
    readings: list[Reading] = []
    rule = Trigger(gpio=6, edge=edge)
    wiring.trigger_inputs([_model(rule)], stack, readings.append)
    for level in levels:
        (lines.pin(6).drive_high if level == "h" else lines.pin(6).drive_low)()
    assert len(readings) == levels.count("h" if edge == "rising" else "l")
    assert {reading.content for reading in readings} == {Triggered("wear")}
    assert {reading.sensor for reading in readings} == {"motor"}


def test_a_window_begins_at_the_time_of_the_edge_plus_the_delay(
    lines: MockFactory, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings: list[Reading] = []
    rule = Trigger(gpio=6, delay_s=0.25, bounce_s=0.01)
    wiring.trigger_inputs([_model(rule)], stack, readings.append)
    edge_s = time.monotonic()
    monkeypatch.setattr("gpiozero.pins.mock.monotonic", lambda: edge_s)
    lines.pin(6).drive_high()
    [at_ns] = [reading.at_ns for reading in readings]
    assert at_ns == round(edge_s * 1e9) + 240_000_000


def test_one_edge_triggers_many_models_each_after_its_own_delay(
    lines: MockFactory, stack: ExitStack
) -> None:
    readings: list[Reading] = []
    rules = [Trigger(gpio=6), Trigger(gpio="BOARD31", delay_s=0.5)]
    wiring.trigger_inputs(map(_model, rules), stack, readings.append)
    lines.pin(6).drive_high()
    assert len(readings) == 2
    assert readings[1].at_ns - readings[0].at_ns == 500_000_000


def test_one_line_triggers_by_one_kind_of_edge(stack: ExitStack) -> None:
    rules = [Trigger(gpio=6), Trigger(gpio=6, edge="falling")]
    with pytest.raises(BusError, match="GPIO 6"):
        wiring.trigger_inputs(map(_model, rules), stack, lambda _: None)


def _model(trigger: Trigger) -> Model:
    return Model(name="wear", path="wear", sensor="motor", trigger=trigger)


def test_a_meter_shows_a_score_and_is_off_when_it_is_closed(lines: MockFactory) -> None:
    meters = (
        Meter(name="needle", model="wear", gpio=18, frequency_hz=500.0),
        Meter(name="other", model="heat", gpio=19),
    )
    with ExitStack() as opened:
        [needle] = wiring.meters(
            config(meters=meters), _model(None), 1.0, opened, outbox()
        )
        needle.show(1.0)
        assert (lines.pin(18).frequency, lines.pin(18).state) == (500.0, 0.5)
    assert (lines.pin(18).frequency, lines.pin(18).state) == (None, 0.0)
    assert lines.pin(18).function == "output"


def test_a_heartbeat_is_low_when_it_is_closed(lines: MockFactory) -> None:
    timer, blocks = LineTimer(lambda: 0), [0]
    with ExitStack() as opened:
        rule = config(heartbeat=Heartbeat(gpio=24))
        wiring.heartbeat(rule, opened, timer, lambda: blocks[0])
        blocks[0] += 1
        timer.advance(lambda *_: None)
        assert lines.pin(24).state
    assert not lines.pin(24).state


def test_a_configuration_without_lines_opens_none(stack: ExitStack) -> None:
    timer = LineTimer()
    wiring.heartbeat(config(), stack, timer, lambda: 0)
    wiring.trigger_inputs([_model(None)], stack, lambda _: None)
    wiring.alarm_inputs([alarm()], stack, timer, lambda _: None)
    assert wiring.meters(config(), _model(None), 1.0, stack, outbox()) == []
    assert not wiring.simulated(config())
    assert not timer.needed


def test_a_heartbeat_on_a_machine_without_gpio_is_simulated() -> None:
    assert wiring.simulated(config(heartbeat=Heartbeat(gpio=24)))

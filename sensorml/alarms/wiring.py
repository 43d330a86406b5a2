"""The GPIO lines of a configuration, opened: outputs, inputs, and who hears them.

Whatever is opened closes with the stack that is given. Without lines in the
configuration nothing of gpiozero is imported.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from sensorml.acquisition.inbox import Acknowledge, Arm, Reading, Trigger
from sensorml.alarms.line import AlarmLine
from sensorml.alarms.meter import Pointer, frequency_hz
from sensorml.alarms.pattern import pattern_of
from sensorml.alarms.timer import Contact, Heartbeat, LineTimer
from sensorml.config.tables import Alarm, Config, Model
from sensorml.config.tables import Trigger as Edges
from sensorml.gpio import factory as gpiopins
from sensorml.gpio.names import LineName, line_of

Tell = Callable[[Reading], None]


def use_header() -> None:
    """Let plain numbers mean lines of this board's header."""

    def find() -> int | None:
        from sensorml.hardware.header import header_chip_here

        return header_chip_here()

    gpiopins.use_chip(find)


def alarm_line(alarm: Alarm, stack: ExitStack, timer: LineTimer) -> AlarmLine | None:
    """Open an alarm's output, at its fail-safe level.

    Raises:
        BusError: it cannot be opened.
    """
    if alarm.gpio is None:
        return None
    from sensorml.gpio import lines as gpio

    safe = alarm.fail_safe == "on"
    output = gpio.open_output(alarm.gpio, active=alarm.active, initial=safe, safe=safe)
    stack.callback(output.close, safe)
    pattern = pattern_of(alarm)
    line = AlarmLine(alarm.name, output, pattern, wake=timer.wake)
    if pattern.changes:
        timer.add(line)
    return line


def listen(
    alarms: Iterable[Alarm], stack: ExitStack, timer: LineTimer, tell: Tell
) -> None:
    """Listen to alarms' inputs, of which several may share one; tell who is disarmed.

    Raises:
        BusError: an input cannot be opened.
    """
    buttons, switches = defaultdict(list), defaultdict(list)
    for alarm in alarms:
        if alarm.acknowledge_gpio is not None:
            buttons[line_of(alarm.acknowledge_gpio)].append(alarm.name)
        if alarm.arm_gpio is not None:
            switches[line_of(alarm.arm_gpio)].append(alarm.name)
    for line, names in buttons.items():
        _button(line, names, stack, tell)
    for line, names in switches.items():
        timer.add(_switch(line, names, stack, tell))


def _button(
    line: LineName, alarms: Sequence[str], stack: ExitStack, tell: Tell
) -> None:
    from sensorml.gpio import lines as gpio

    def pressed(active: bool, at_ns: int) -> None:
        if active:
            for name in alarms:
                tell(Reading("", at_ns, Acknowledge(name)))

    button = gpio.open_input(line, on_change=pressed)
    stack.callback(button.close)


def _switch(
    line: LineName, alarms: Sequence[str], stack: ExitStack, tell: Tell
) -> Contact:
    from sensorml.gpio import lines as gpio

    def turned(armed: bool, at_ns: int) -> None:
        for name in alarms:
            tell(Reading("", at_ns, Arm(name, armed)))

    switch = gpio.open_input(line, on_change=turned)
    stack.callback(switch.close)
    if not switch.value:
        turned(False, time.monotonic_ns())
    return Contact(f"arm_gpio {line}", switch, turned)


def triggers(models: Iterable[Model], stack: ExitStack, tell: Tell) -> None:
    """Listen for the edges that models' windows begin with; several may share one.

    Raises:
        BusError: an input cannot be opened.
    """
    waiting = defaultdict(list)
    for model in models:
        if (rule := model.trigger) is not None:
            waiting[line_of(rule.gpio), rule.edges].append((model, rule))
    for (line, _), followers in waiting.items():
        _trigger(line, followers, stack, tell)


def _trigger(
    line: LineName,
    followers: Sequence[tuple[Model, Edges]],
    stack: ExitStack,
    tell: Tell,
) -> None:
    from sensorml.gpio import lines as gpio

    def fired(_active: bool, at_ns: int) -> None:
        for model, rule in followers:
            begin_ns = at_ns + round(rule.delay_s * 1e9)
            tell(Reading(model.sensor, begin_ns, Trigger(model.name)))

    _, edges = followers[0]
    opened = gpio.open_input(
        line,
        on_change=fired,
        pull=edges.pull,
        bounce_s=edges.bounce_s,
        edges=edges.edge,
    )
    stack.callback(opened.close)


def pointers(
    config: Config, model: Model, threshold: float, stack: ExitStack
) -> list[Pointer]:
    """Open the meters that follow a model.

    Raises:
        BusError: a line cannot be opened.
    """
    found = []
    for rule in config.meters:
        if rule.model == model.name:
            from sensorml.gpio import lines as gpio

            line = gpio.open_pwm(rule.gpio, frequency_hz=frequency_hz(rule))
            stack.callback(line.close)
            found.append(Pointer(rule, line, threshold))
    return found


def heartbeat(
    config: Config, stack: ExitStack, timer: LineTimer, progress: Callable[[], int]
) -> None:
    """Open the heartbeat's line, low; it is low again when the stack closes.

    Raises:
        BusError: it cannot be opened.
    """
    rule = config.heartbeat
    if rule is None:
        return
    from sensorml.gpio import lines as gpio

    output = gpio.open_output(rule.gpio, active="high", initial=False)
    stack.callback(output.close, False)
    timer.add(
        Heartbeat(output, progress, period_s=rule.period_s, timeout_s=rule.timeout_s)
    )


def simulated(config: Config) -> bool:
    """Whether lines are to be driven and this machine has none."""
    outputs = [alarm.gpio for alarm in config.alarms if alarm.gpio is not None]
    if not outputs and not config.meters and config.heartbeat is None:
        return False
    from sensorml.gpio import lines as gpio

    return gpio.simulated()

"""The GPIO lines of a configuration, opened: outputs, inputs, and who hears them.

Whatever is opened closes with the stack that is given. Without lines in the
configuration nothing of gpiozero is imported.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from sensorml.buses import gpiopins
from sensorml.config import Alarm, Config, Model
from sensorml.lines import AlarmLine, Heartbeat, LineTimer
from sensorml.meters import Pointer, frequency_hz
from sensorml.patterns import pattern_of
from sensorml.sampling import Acknowledge, Arm, Reading, Trigger

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
    from sensorml.buses import gpio

    safe = alarm.fail_safe == "on"
    output = gpio.open_output(alarm.gpio, active=alarm.active, initial=safe, safe=safe)
    stack.callback(output.close, safe)
    pattern = pattern_of(alarm)
    line = AlarmLine(alarm.name, output, pattern, wake=timer.wake)
    if pattern.changes:
        timer.add(line)
    return line


def listen(alarm: Alarm, stack: ExitStack, tell: Tell) -> None:
    """Listen to an alarm's inputs; tell at once if it is disarmed just now.

    Raises:
        BusError: an input cannot be opened.
    """
    name = alarm.name

    def pressed(active: bool, at_ns: int) -> None:
        if active:
            tell(Reading("", at_ns, Acknowledge(name)))

    def turned(armed: bool, at_ns: int) -> None:
        tell(Reading("", at_ns, Arm(name, armed)))

    if alarm.acknowledge_gpio is not None:
        from sensorml.buses import gpio

        button = gpio.open_input(alarm.acknowledge_gpio, on_change=pressed)
        stack.callback(button.close)
    if alarm.arm_gpio is not None:
        from sensorml.buses import gpio

        switch = gpio.open_input(alarm.arm_gpio, on_change=turned)
        stack.callback(switch.close)
        if not switch.value:
            turned(False, time.monotonic_ns())


def trigger(model: Model, stack: ExitStack, tell: Tell) -> None:
    """Listen for the edges that a model's windows begin with, if it has any.

    Raises:
        BusError: the input cannot be opened.
    """
    rule = model.trigger
    if rule is None:
        return
    from sensorml.buses import gpio

    delay_ns = round(rule.delay_s * 1e9)

    def fired(_active: bool, at_ns: int) -> None:
        tell(Reading(model.sensor, at_ns + delay_ns, Trigger(model.name)))

    line = gpio.open_input(
        rule.gpio,
        on_change=fired,
        pull=rule.pull,
        bounce_s=rule.bounce_s,
        edges=rule.edge,
    )
    stack.callback(line.close)


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
            from sensorml.buses import gpio

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
    from sensorml.buses import gpio

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
    from sensorml.buses import gpio

    return gpio.simulated()

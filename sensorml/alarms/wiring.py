"""The GPIO lines of a configuration, opened: outputs, meters, inputs, heartbeat.

Everything that is opened closes with the stack that is given. gpiozero is
imported with the first line that is opened.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from sensorml.acquisition.inbox import Acknowledge, Arm, Reading, Trigger
from sensorml.alarms.line import AlarmLine
from sensorml.alarms.meter import MeterOutput, frequency_hz
from sensorml.alarms.pattern import pattern_of
from sensorml.alarms.timer import Heartbeat, LineTimer, WatchedContact
from sensorml.config.tables import Alarm, Config, Model
from sensorml.config.tables import Trigger as TriggerRule
from sensorml.gpio import factory, lines
from sensorml.gpio.contact import open_contact
from sensorml.gpio.names import LineName, line_of
from sensorml.storage.outbox import Outbox

Report = Callable[[Reading], None]
"""Takes a reading of an input; called on any thread."""


def use_header() -> None:
    """Let plain numbers mean lines of this board's header."""

    def find() -> int | None:
        from sensorml.hardware.header import header_chip_here

        return header_chip_here()

    factory.use_chip(find)


def alarm_line(alarm: Alarm, stack: ExitStack, timer: LineTimer) -> AlarmLine | None:
    """Open an alarm's output, at its fail-safe level.

    Raises:
        BusError: it cannot be opened.
    """
    if alarm.gpio is None:
        return None
    safe = alarm.fail_safe == "on"
    output = lines.open_output(alarm.gpio, active=alarm.active, initial=safe, safe=safe)
    stack.callback(output.close, safe)
    pattern = pattern_of(alarm)
    line = AlarmLine(alarm.name, output, pattern, wake=timer.wake)
    if pattern.changes:
        timer.add(line)
    return line


def alarm_inputs(
    alarms: Iterable[Alarm],
    stack: ExitStack,
    timer: LineTimer,
    report: Report,
    clock: Callable[[], int] = time.monotonic_ns,
) -> None:
    """Open the buttons and switches of alarms; several alarms may share one.

    An alarm whose switch is open is disarmed when the switch has settled.

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
        timer.add(_open_button(line, names, stack, report, clock))
    for line, names in switches.items():
        timer.add(_open_switch(line, names, stack, report, clock))


def _open_button(
    line: LineName,
    alarms: Sequence[str],
    stack: ExitStack,
    report: Report,
    clock: Callable[[], int],
) -> WatchedContact:
    def on_change(pressed: bool, at_ns: int) -> None:
        if pressed:
            for name in alarms:
                report(Reading("", at_ns, Acknowledge(name, f"button {line}")))

    button = open_contact(line, clock=clock)
    stack.callback(button.close)
    return WatchedContact(f"acknowledge_gpio {line}", button, on_change)


def _open_switch(
    line: LineName,
    alarms: Sequence[str],
    stack: ExitStack,
    report: Report,
    clock: Callable[[], int],
) -> WatchedContact:
    def on_change(armed: bool, at_ns: int) -> None:
        for name in alarms:
            report(Reading("", at_ns, Arm(name, armed)))

    switch = open_contact(line, clock=clock)
    stack.callback(switch.close)
    return WatchedContact(f"arm_gpio {line}", switch, on_change, report_first=True)


def trigger_inputs(models: Iterable[Model], stack: ExitStack, report: Report) -> None:
    """Open the inputs whose edges begin windows; several models may share one.

    Raises:
        BusError: an input cannot be opened.
    """
    inputs = defaultdict(list)
    for model in models:
        if (rule := model.trigger) is not None:
            inputs[line_of(rule.gpio), rule.edges].append((model, rule))
    for (line, _), followers in inputs.items():
        _open_trigger(line, followers, stack, report)


def _open_trigger(
    line: LineName,
    followers: Sequence[tuple[Model, TriggerRule]],
    stack: ExitStack,
    report: Report,
) -> None:
    def on_edge(_active: bool, at_ns: int) -> None:
        for model, rule in followers:
            begin_ns = at_ns + round(rule.delay_s * 1e9)
            report(Reading(model.sensor, begin_ns, Trigger(model.name)))

    _, edges = followers[0]
    trigger = lines.open_input(
        line,
        on_change=on_edge,
        pull=edges.pull,
        bounce_s=edges.bounce_s,
        edges=edges.edge,
    )
    stack.callback(trigger.close)


def meters(
    config: Config, model: Model, threshold: float, stack: ExitStack, outbox: Outbox
) -> list[MeterOutput]:
    """Open the meters that follow a model.

    Raises:
        BusError: a line cannot be opened.
    """
    outputs = []
    for rule in config.meters:
        if rule.model == model.name:
            line = lines.open_pwm(rule.gpio, frequency_hz=frequency_hz(rule))
            stack.callback(line.close)
            outputs.append(MeterOutput(rule, line, threshold, outbox))
    return outputs


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
    output = lines.open_output(rule.gpio, active="high", initial=False)
    stack.callback(output.close, False)
    timer.add(
        Heartbeat(output, progress, period_s=rule.period_s, timeout_s=rule.timeout_s)
    )


def simulated(config: Config) -> bool:
    """Return whether outputs are configured and this machine has no GPIO."""
    alarm_lines = [alarm.gpio for alarm in config.alarms if alarm.gpio is not None]
    if not alarm_lines and not config.meters and config.heartbeat is None:
        return False
    return lines.simulated()

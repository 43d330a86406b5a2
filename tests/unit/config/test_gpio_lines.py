"""GPIO lines of a configuration: alarms, meters, triggers and the heartbeat."""

from __future__ import annotations

import pytest
from plant_file import GOOD, Write, problems

from sensorml.config import loading


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gpio = 5", "gpio = 17", ["alarm[0].gpio", "sensor[1].gpio"]),
        ("gpio = 5", 'gpio = "GPIO17"', ["alarm[0].gpio", "sensor[1].gpio"]),
        (
            'driver = "gpio"\ngpio = 5',
            'driver = "adxl345"\ninterrupt_gpio = 17',
            ["alarm[0].gpio", "sensor[1].interrupt_gpio"],
        ),
        ("gpio = 5", 'gpio = "BOARD11"', ["alarm[0].gpio", "sensor[1].gpio"]),
        ("gpio = 5", 'gpio = "J8:11"', ["alarm[0].gpio", "sensor[1].gpio"]),
        (
            "acknowledge_gpio = 27",
            "acknowledge_gpio = 17",
            ["alarm[0].gpio", "alarm[0].acknowledge_gpio"],
        ),
        (
            "acknowledge_gpio = 27",
            'arm_gpio = "bcm17"',
            ["alarm[0].gpio", "alarm[0].arm_gpio"],
        ),
        (
            'path = "plain"',
            'path = "plain"\ntrigger = {gpio = "WPI0"}',
            ["alarm[0].gpio", "model[0].trigger.gpio"],
        ),
        (
            "[store]",
            '[[meter]]\nname = "needle"\nmodel = "wear"\ngpio = 17\n[store]',
            ["alarm[0].gpio", "meter[0].gpio"],
        ),
        (
            "[store]",
            "[heartbeat]\ngpio = 17\n[store]",
            ["alarm[0].gpio", "heartbeat.gpio"],
        ),
    ],
)
def test_a_gpio_line_has_one_job(write: Write, old, new, message) -> None:
    key, other = message
    assert problems(write(GOOD.replace(old, new))) == [
        f"{key}: GPIO line 17 is used twice: {other} uses it too, change one"
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"BOARD1"', "BOARD1 is 3V3, no GPIO line: use one of 0 to 27"),
        ('"BOARD6"', "BOARD6 is GND, no GPIO line"),
        ('"GIPO17"', "there is no line 'GIPO17': did you mean GPIO17? write"),
        ('"BOARD41"', "there is no line 'BOARD41': use one of 0 to 27, "),
        ('"GPIO99"', "there is no line 'GPIO99': use one of 0 to 27, "),
        ("65535", "there is no line 65535: no chip has more than 65535, count from 0"),
        ('"1000000000000"', "there is no line 1000000000000: no chip has more"),
        ('"door"', "there is no line 'door': use one of 0 to 27"),
        ('"P9_12"', '"label:…" for a label that gpioinfo lists'),
        ('""', "there is no line ''"),
        ("-1", "there is no line '-1'"),
    ],
)
def test_a_line_that_is_none_is_refused_with_those_there_are(
    write, line, message
) -> None:
    [found] = problems(write(GOOD.replace("gpio = 17", f"gpio = {line}")))
    assert found.startswith("alarm[0].gpio: ")
    assert message in found


@pytest.mark.parametrize("line", ['"label:P9_12"', "54", "65534"])
def test_a_line_may_have_a_label_or_be_beyond_a_pis_header(write, line) -> None:
    config = loading.load(write(GOOD.replace("gpio = 17", f"gpio = {line}")))
    assert str(config.alarms[0].gpio) in line


TRIMMINGS = """
[heartbeat]
gpio = 24

[[meter]]
name = "needle"
model = "wear"
gpio = 18
kind = "servo"
pulse_ms = [2.0, 1.0]
"""


def test_a_meter_and_a_heartbeat_are_in_the_configuration(write: Write) -> None:
    config = loading.load(write(GOOD + TRIMMINGS))
    assert [(m.name, m.gpio, m.pulse_ms) for m in config.meters] == [
        ("needle", 18, (2.0, 1.0))
    ]
    assert config.heartbeat is not None
    assert (config.heartbeat.gpio, config.heartbeat.period_s) == (24, 1.0)


@pytest.mark.parametrize(
    ("sensors", "timeout", "warned"),
    [
        (["rate_hz = 0.001"], "", True),
        (["rate_hz = 0.1"], "timeout_s = 9.9", True),
        (["rate_hz = 0.1"], "timeout_s = 10", False),
        (["rate_hz = 0.001", "rate_hz = 1.0"], "", False),
    ],
)
def test_a_heartbeat_that_stops_between_samples_is_a_warning(
    write: Write, sensors, timeout, warned
) -> None:
    tables = [
        f'[[sensor]]\nname = "s{i}"\ndriver = "lm75"\nbus = "sim"\n{keys}\n'
        for i, keys in enumerate(sensors)
    ]
    config = loading.load(write("".join(tables) + f"[heartbeat]\ngpio = 24\n{timeout}"))
    assert [each.key for each in config.warnings] == ["heartbeat.timeout_s"] * warned


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            'model = "wear"\ngpio = 18',
            'model = "tear"\ngpio = 18',
            "meter[0].model: there is no model 'tear': did you mean wear?",
        ),
        ('kind = "servo"', 'kind = "needle"', 'use one of "pwm", "servo"'),
        ("pulse_ms", "pulse_s", "meter[0].pulse_s: unknown key: did you mean pulse_ms"),
        ("[2.0, 1.0]", "[2.0, 100.0]", "meter[0].pulse_ms: is [2.0, 100.0]"),
        ('name = "needle"', 'nam = "needle"', "meter[0].name: missing"),
        ("gpio = 24", "gpio = 24\nperiod_s = 0", "heartbeat.period_s: is 0"),
        ("gpio = 24", "pin = 24", "heartbeat.gpio: missing"),
        ("[heartbeat]", "[[heartbeat]]", "heartbeat: is not a table"),
        ("[heartbeat]", "[heart]", "heart: unknown key: did you mean heartbeat?"),
        ("[[meter]]", "[meter]", "meter: is not a list of tables"),
        (
            "gpio = 17",
            'gpio = 17\npattern = "blinking"',
            'alarm[0].pattern: is \'blinking\': use one of "level", "blink", "pulse"',
        ),
        ("gpio = 17", "gpio = 17\nblink_s = [0, 1]", "alarm[0].blink_s: is [0, 1]"),
        (
            'path = "plain"',
            'path = "plain"\ntrigger = {gpio = 6, edges = "rising"}',
            "model[0].trigger.edges: unknown key: did you mean edge?",
        ),
        (
            'path = "plain"',
            'path = "plain"\ntrigger = {edge = "rising"}',
            "model[0].trigger.gpio: missing",
        ),
        (
            'path = "plain"',
            'path = "plain"\ntrigger = 6',
            "model[0].trigger: is 6: give a table",
        ),
    ],
)
def test_a_problem_with_a_line_is_reported_with_its_cure(
    write: Write, old: str, new: str, problem: str
) -> None:
    text = GOOD + TRIMMINGS
    assert old in text
    assert any(problem in found for found in problems(write(text.replace(old, new, 1))))

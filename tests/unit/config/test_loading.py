"""A configuration file is read whole, or refused with all its problems."""

from __future__ import annotations

from pathlib import Path

import pytest
from plant_file import GOOD, Write, problems

from sensorml.config import loading
from sensorml.config.tables import Config


def test_a_good_file_is_a_configuration(write: Write) -> None:
    path = write(GOOD)
    config = loading.load(path)
    assert isinstance(config, Config)
    assert config.device == "press-3"
    assert [(s.name, s.driver, s.stale_after_s) for s in config.sensors] == [
        ("motor", "sim", None),
        ("door", "gpio", None),
    ]
    assert [m.name for m in config.models] == ["wear"]
    assert [a.name for a in config.alarms] == ["bad", "open"]
    assert config.store.max_mb == 64
    [sink] = config.sinks
    assert sink.name == "influxdb"
    assert sink.options.token_file == str(path.parent / "token")


def test_without_a_device_it_is_the_hosts_name(write: Write) -> None:
    config = loading.load(write(GOOD.replace('device = "press-3"\n', "")))
    assert config.device


def test_a_sensors_own_patience_is_taken(write: Write) -> None:
    text = GOOD.replace('driver = "sim"', 'driver = "sim"\nstale_after_s = 5')
    assert loading.load(write(text)).sensors[0].stale_after_s == 5.0


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('device = "press-3"', "device = 3", 'device: is 3: write device = "name"'),
        ('device = "press-3"', 'device = ""', "device: is ''"),
        ("[store]", "[stor]", "stor: unknown key: did you mean store?"),
        (
            "max_mb = 64",
            "max_gb = 64",
            "store.max_gb: unknown key: did you mean max_mb?",
        ),
        (
            "max_mb = 64",
            "max_mb = inf",
            "store.max_mb: is inf: give a number at least 1",
        ),
        ("max_mb = 64", "timing_s = inf", "store.timing_s: is inf"),
        ("max_mb = 64", "commit_s = 0", "store.commit_s: is 0: give a number at least"),
        ("[store]\n", "[[store]]\n", "store: is not a table: write it as [store]"),
        (
            'driver = "sim"',
            'driver = "sym"',
            "sensor[0].driver: there is no sensor driver 'sym': did you mean sim?",
        ),
        ('driver = "sim"\n', "", "sensor[0].driver: missing: use one of "),
        (
            'driver = "sim"',
            "driver = [1]",
            "sensor[0].driver: there is no sensor driver [1]",
        ),
        (
            "rate_hz = 1000.0",
            "rate = 1000.0",
            "sensor[0].rate: unknown key: did you mean rate_hz?",
        ),
        (
            "rate_hz = 1000.0",
            'rate_hz = "fast"',
            "sensor[0].rate_hz: is 'fast': give a number",
        ),
        ("rate_hz = 1000.0", "rate_hz = true", "sensor[0].rate_hz: is True"),
        (
            "gpio = 5",
            "gpio = 5\nstale_after_s = 0",
            "sensor[1].stale_after_s: is 0: give seconds above 0",
        ),
        (
            "gpio = 5",
            "gpio = 5\nstale_after_s = inf",
            "sensor[1].stale_after_s: is inf",
        ),
        (
            "gpio = 5",
            "gpio = 5\nstale_after_s = nan",
            "sensor[1].stale_after_s: is nan",
        ),
        (
            "gpio = 5",
            "gpio = 5\nstale_after_s = true",
            "sensor[1].stale_after_s: is True",
        ),
        ('name = "bad"', "", "alarm[0].name: missing: give it a name"),
        ('name = "bad"', 'name = ""', "alarm[0].name: is '': give letters, digits"),
        ('name = "open"', "name = 1", "alarm[1].name: is 1: give letters, digits"),
        ('name = "open"', r'name = "o\npen"', r"alarm[1].name: is 'o\npen': give"),
        ('name = "open"', r'name = "o\u0000"', r"alarm[1].name: is 'o\x00': give"),
        ("[[sink]]", '[[sink]]\nname = ""', "sink[0].name: is '': give letters"),
        ('"press-3"', r'"press\n3"', r"device: is 'press\n3': write device ="),
        ("equals = 1", "equals = nan", "alarm[1].when.equals: is nan: give a number"),
        ("equals = 1", "above = inf", "alarm[1].when.above: is inf: give a number"),
        (
            'driver = "gpio"\ngpio = 5',
            'driver = "lm75"\nrate_hz = 0.1\nstale_after_s = 10',
            (
                "sensor[1].stale_after_s: is 10, and rate_hz = 0.1 is a sample every "
                "10 s: give more than that"
            ),
        ),
        (
            'driver = "gpio"\ngpio = 5',
            'driver = "lm75"\nbus = 99999999999999999999',
            "sensor[1].bus: is 99999999999999999999, more than 64 bits: give a whole",
        ),
        ('path = "plain"\n', "", "model[0].path: missing: give text in quotes"),
        ('path = "plain"', 'path = "plane"', "no such file: check the path"),
        (
            'path = "plain"',
            'path = "plain"\ndelegate = "tpu"',
            "model[0].delegate: there is no delegate 'tpu'",
        ),
        (
            'path = "plain"',
            'path = "plain"\nfallback = "gpu"',
            "model[0].fallback: is 'gpu': use one of \"cpu\"",
        ),
        (
            'sensor = "motor"',
            'sensor = "moter"',
            "model[0].sensor: there is no sensor 'moter': did you mean motor?",
        ),
        (
            'model = "wear"',
            'model = "tear"',
            "alarm[0].model: there is no model 'tear': did you mean wear?",
        ),
        (
            'sensor = "door"',
            'sensor = "gate"',
            "alarm[1].sensor: there is no sensor 'gate'",
        ),
        (
            "[alarm.when]\nequals = 1",
            "",
            "alarm[1]: has a sensor, but no condition: add [alarm.when]",
        ),
        ("equals = 1", "", "alarm[1].when: is empty: give equals, above or below"),
        (
            "equals = 1",
            "equal = 1",
            "alarm[1].when.equal: unknown key: did you mean equals?",
        ),
        ("gpio = 17", "gpio = 17\nof = [5, 3]", "alarm[0]: of = [5, 3] is impossible"),
        ("gpio = 17", "gpio = 17\nof = [3]", "alarm[0].of: is [3]: give a list"),
        (
            "gpio = 17",
            "gpio = 17\nclear_after_s = inf",
            "alarm[0].clear_after_s: is inf",
        ),
        ("gpio = 17", "gpio = 17\nclear_after_s = -1", "alarm[0].clear_after_s: is -1"),
        ("gpio = 17", "gpio = 17\nclear_ratio = 2.0", "alarm[0].clear_ratio: is 2.0"),
        (
            "gpio = 17",
            'gpio = 17\nfail_safe = "yes"',
            'alarm[0].fail_safe: is \'yes\': use one of "on", "off"',
        ),
        (
            "gpio = 17",
            "gpio = 1.5",
            "alarm[0].gpio: is 1.5: give a whole number or text in quotes",
        ),
        (
            'driver = "influxdb"',
            'driver = "influx"',
            "sink[0].driver: there is no sink driver 'influx': did you mean influxdb?",
        ),
        (
            'bucket = "vibration"\n',
            "",
            'sink[0]: api = "v2" needs org and bucket: add both',
        ),
        (
            'driver = "influxdb"',
            'driver = "influxdb"\nstale_after_s = 1',
            "sink[0].stale_after_s: unknown key",
        ),
        (
            "127.0.0.1:8787",
            "0.0.0.0:8787",
            'web: listen = "0.0.0.0:8787" is open to the network: add token_file',
        ),
        ("127.0.0.1:8787", "8787", 'web: listen = "8787" is not an address'),
        (
            'listen = "127.0.0.1:8787"',
            "listen = 8787",
            "web.listen: is 8787: give text",
        ),
    ],
)
def test_one_thing_wrong_is_one_problem_with_its_cure(
    write: Write, old: str, new: str, problem: str
) -> None:
    assert old in GOOD
    [found] = problems(write(GOOD.replace(old, new, 1)))
    assert problem in found


@pytest.mark.parametrize("key", ["sensor", "model", "alarm", "sink"])
def test_a_list_of_tables_is_written_as_one(write: Write, key: str) -> None:
    for text in (f"{key} = 3\n", f"[{key}]\nname = 'a'\n", f"{key} = [1]\n"):
        assert any(
            problem == f"{key}: is not a list of tables: write it [[{key}]]"
            for problem in problems(write(text))
        )


def test_a_file_without_a_sensor_is_refused(write: Write) -> None:
    assert problems(write("")) == ["sensor: there is none: add a [[sensor]] table"]


def test_all_problems_are_reported_at_once(write: Write) -> None:
    text = """
devise = "x"
[[sensor]]
driver = "nose"
[[sensor]]
name = "motor"
driver = "sim"
rate_hz = -1
[sensor.machine]
rpn = 1
[[model]]
sensor = "engine"
hop = 1
[[alarm]]
name = "a"
model = "gone"
latch = "yes"
[[sink]]
driver = "influxdb"
[store]
max_mb = 0
[web]
port = 80
"""
    places = [problem.split(": ")[0] for problem in problems(write(text))]
    assert sorted(places) == [
        "alarm[0].latch",
        "alarm[0].model",
        "devise",
        "model[0].hop",
        "model[0].name",
        "model[0].path",
        "model[0].sensor",
        "sensor[0].driver",
        "sensor[0].name",
        "sensor[1].machine.rpn",
        "sensor[1].rate_hz",
        "sink[0].url",
        "store.max_mb",
        "web.port",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"[[sensor]\n", "not TOML"), (b"\x00\xff\xfe", "not UTF-8 at byte 1")],
)
def test_a_file_that_is_no_toml_is_reported(tmp_path, content, message) -> None:
    path = tmp_path / "plant.toml"
    path.write_bytes(content)
    [found] = problems(path)
    assert message in found


def test_an_absent_file_is_reported(tmp_path: Path) -> None:
    assert problems(tmp_path / "gone.toml") == ["no such file: check the path"]

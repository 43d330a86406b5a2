"""A configuration file is read whole, or refused with all its problems."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import CARD_TEXT, model_folder

from sensorml.config import loading
from sensorml.config.tables import Config
from sensorml.errors import ConfigError
from sensorml.recordings import write_npz

GOOD = """
device = "press-3"

[[sensor]]
name = "motor"
driver = "sim"
rate_hz = 1000.0

[[sensor]]
name = "door"
driver = "gpio"
gpio = 5

[[model]]
name = "wear"
path = "plain"
sensor = "motor"

[[alarm]]
name = "bad"
model = "wear"
gpio = 17
acknowledge_gpio = 27

[[alarm]]
name = "open"
sensor = "door"
[alarm.when]
equals = 1

[[sink]]
driver = "influxdb"
url = "http://127.0.0.1:8086"
org = "plant"
bucket = "vibration"
token_file = "token"

[store]
max_mb = 64

[web]
listen = "127.0.0.1:8787"
"""

THREE = CARD_TEXT.replace('["x"]', '["x", "y", "z"]')
"""A card for the simulated machine, whose sensor has three axes."""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a configuration beside a model that fits `GOOD`."""
    model_folder(tmp_path / "plain", text=THREE)

    def written(text: str) -> Path:
        path = tmp_path / "plant.toml"
        path.write_text(text)
        return path

    return written


def problems(path: Path) -> list[str]:
    """Return what is wrong, each without the name of the file."""
    with pytest.raises(ConfigError) as raised:
        loading.load(path)
    return [str(p).removeprefix(f"{path}: ") for p in raised.value.problems]


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


CHIPS = """
[[sensor]]
name = "a"
driver = "mpu6050"
bus = 1
address = {0}
[[sensor]]
name = "b"
driver = "mpu6050"
bus = {1}
"""


def test_an_address_on_a_bus_has_one_chip(write: Write) -> None:
    for bus in (1, '"/dev/i2c-1"', '"/dev//i2c-1"'):
        assert problems(write(CHIPS.format("0x68", bus))) == [
            (
                "sensor[0].address: address 0x68 on i2c-1 is used twice: "
                "sensor[1].address uses it too, change one"
            )
        ]


@pytest.mark.parametrize(("address", "bus"), [("0x69", 1), ("0x68", 3)])
def test_another_address_or_another_bus_is_another_place(write, address, bus) -> None:
    assert len(loading.load(write(CHIPS.format(address, bus))).sensors) == 2


@pytest.mark.parametrize("key", ["sensor", "model", "alarm", "sink"])
def test_a_list_of_tables_is_written_as_one(write: Write, key: str) -> None:
    for text in (f"{key} = 3\n", f"[{key}]\nname = 'a'\n", f"{key} = [1]\n"):
        assert any(
            problem == f"{key}: is not a list of tables: write it [[{key}]]"
            for problem in problems(write(text))
        )


INFLUX = """
[[sink]]
driver = "influxdb"
url = "http://b"
api = "v1"
database = "d"
"""


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("sensor", '[[sensor]]\nname = "door"\ndriver = "sim"\n'),
        ("model", '[[model]]\nname = "wear"\npath = "plain"\nsensor = "motor"\n'),
        ("alarm", '[[alarm]]\nname = "bad"\nmodel = "wear"\n'),
        (
            "sink",
            (
                '[[sink]]\ndriver = "influxdb"\nurl = "http://b"\n'
                'api = "v1"\ndatabase = "d"\n'
            ),
        ),
    ],
)
def test_a_name_is_given_once(write: Write, kind: str, table: str) -> None:
    [found] = problems(write(GOOD + table))
    assert found.startswith(f"{kind}[")
    assert "is used twice: rename one" in found


def test_tables_without_a_name_are_not_reported_as_duplicates(write: Write) -> None:
    nameless = '[[model]]\npath = "plain"\nsensor = "motor"\n'
    found = problems(write(GOOD + nameless + nameless))
    assert found == [f"model[{i}].name: missing: give it a name" for i in (1, 2)]


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


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '["x", "y", "z"]',
            '["x"]',
            "motor has 3 channels (x, y, z), the model takes 1 (x)",
        ),
        ('unit = "g"', 'unit = "m/s^2"', "motor is in g, the model takes m/s^2"),
        (
            "rate_hz = 1000.0",
            "rate_hz = 800.0",
            "motor runs at 1000 Hz, the model takes 800 Hz ± 5.0%: set rate_hz to 800",
        ),
    ],
)
def test_a_model_that_does_not_fit_its_sensor_is_refused(
    write, old, new, message
) -> None:
    path = write(GOOD)
    model_folder(path.parent / "plain", text=THREE.replace(old, new))
    [found] = problems(path)
    assert found.startswith(f"model[0].sensor: {message}")


def test_a_model_without_a_unit_is_a_warning_where_its_sensor_has_one(write) -> None:
    path = write(GOOD)
    model_folder(path.parent / "plain", text=THREE)
    before = loading.load(path).warnings
    model_folder(path.parent / "plain", text=THREE.replace('unit = "g"', 'unit = ""'))
    [warning] = [w for w in loading.load(path).warnings if w not in before]
    assert warning.key == "model[0].sensor"
    assert warning.what == "motor is in g, and the model's card has no unit"


def test_problems_of_a_model_are_reported_with_the_others(write: Write) -> None:
    path = write(GOOD.replace("gpio = 5", 'gpio = 5\npull = "left"'))
    model_folder(path.parent / "plain", text=THREE.replace("hop = 2", "hop = 0"))
    found = problems(path)
    assert found[0].startswith("sensor[1].pull: is 'left'")
    assert found[1].startswith(f"{path.parent / 'plain' / 'model.toml'}: input.hop")


RECORDED = """
[[sensor]]
name = "bench"
driver = "file"
path = "bench.npz"
[[model]]
name = "wear"
path = "plain"
sensor = "bench"
"""


def test_a_recording_lies_beside_the_file_and_must_fit_the_model(write: Write) -> None:
    path = write(RECORDED)
    [found] = problems(path)
    assert found.startswith(f"sensor[0].path: {path.parent / 'bench.npz'}: ")
    rows = np.zeros((100, 3), np.float32)
    write_npz(
        path.parent / "bench.npz",
        samples=rows,
        rate_hz=1000.0,
        channels=("x", "y", "z"),
        unit="g",
        start_ns=0,
    )
    [sensor] = loading.load(path).sensors
    assert sensor.options.path == str(path.parent / "bench.npz")

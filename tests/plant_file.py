"""A configuration that is good, and the problems of one that is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import CARD_TEXT

from sensorml.config import loading
from sensorml.errors import ConfigError

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


def problems(path: Path) -> list[str]:
    """Return what is wrong, each without the name of the file."""
    with pytest.raises(ConfigError) as raised:
        loading.load(path)
    return [str(p).removeprefix(f"{path}: ") for p in raised.value.problems]

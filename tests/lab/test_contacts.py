"""Contacts, an arm switch and a button of a running service on noisy lines.

SENSORML_LAB_NOISE_S is the virtual time of each noise; CI has less than `make lab`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from random import Random

import pytest
from adapter import wait_for
from header import Header
from press import Service

pytestmark = pytest.mark.timeout(0)  # it would measure the guest's virtual time

NOISE_S = float(os.environ.get("SENSORML_LAB_NOISE_S", "10"))
FAST_S = float(os.environ.get("SENSORML_LAB_NOISE_S", "3"))
"""The time of a wave of some kHz, whose every edge costs the computer a call."""
FASTEST_REAL_S = 0.045
"""The longest gap between edges of a burst: less than the bounce time."""
SETTLED_S = 0.2

DOOR, GATE, SWITCH, BUTTON = 23, 22, 26, 27
NOISY = {DOOR: False, SWITCH: False, BUTTON: True}
"""The lines with noise, and their levels without: shut, armed, not pressed."""

MACHINE = f"""
device = "lab"
[[sensor]]
name = "door"
driver = "gpio"
gpio = {DOOR}
[[sensor]]
name = "gate"
driver = "gpio"
gpio = {GATE}
[[alarm]]
name = "open"
sensor = "door"
when = {{equals = 1}}
[[alarm]]
name = "latched"
sensor = "gate"
when = {{equals = 1}}
latch = true
arm_gpio = {SWITCH}
acknowledge_gpio = {BUTTON}
"""


class Site:
    """A service that watches a door and a gate, and the lines that it watches."""

    def __init__(self, service: Service, header: Header) -> None:
        self.service = service
        self.header = header

    def drive(self, line: int, *, high: bool) -> None:
        """Change a line, and wait until the change counts."""
        self.header.drive(line, high=high)
        time.sleep(SETTLED_S)

    def states_since(self, begun_ns: int, alarm: str) -> list[str]:
        """Return the states that an alarm has taken, which the journal has now."""
        time.sleep(2.0)
        query = f"SELECT state FROM alarm WHERE alarm = '{alarm}' AND time_ns >= "
        return [row[0] for row in self.service.query(f"{query}{begun_ns} ORDER BY id")]

    def change_at(self, times_s: Iterator[float]) -> int:
        """Change the noisy lines at times from now on; return how often."""
        begun_s, edges = time.monotonic(), 0
        levels = dict(NOISY)
        for at_s in times_s:
            time.sleep(max(0.0, begun_s + at_s - time.monotonic()))
            for line, high in levels.items():
                levels[line] = not high
                self.header.drive(line, high=not high)
            edges += 1
        for line, high in NOISY.items():
            self.header.drive(line, high=high)
        return edges


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    """A service with a shut door and an armed alarm; few rows are written down yet."""
    service = Service(tmp_path, "", machine=MACHINE)
    header = Header()
    service.start()
    try:
        service.wait_for_log("→ disarmed: disarmed")
        found = Site(service, header)
        for line in (SWITCH, DOOR, GATE):
            found.drive(line, high=False)
        yield found
        assert service.end() == 0, service.log
    finally:
        service.process.kill()
        service.process.wait()
        header.close()


def square(hz: float, for_s: float) -> Iterator[float]:
    """Return the edges of a square wave."""
    return (n / (2 * hz) for n in range(round(2 * hz * for_s)))


def bursts(for_s: float) -> Iterator[float]:
    """Return the edges of random bursts, an even number in each, with rests.

    They are too short for a disturbance.
    """
    random, at_s = Random(0), 0.0
    while at_s < for_s:
        for _ in range(2 * random.randint(1, 10)):
            at_s += FASTEST_REAL_S * random.random() ** 3
            yield at_s
        at_s += random.uniform(0.1, 1.0)


def crackle(for_s: float) -> Iterator[float]:
    """Return random edges without a rest."""
    random, at_s = Random(1), 0.0
    while at_s < for_s:
        at_s += FASTEST_REAL_S * random.random() ** 3
        yield at_s


NOISES: dict[str, Callable[[], Iterator[float]]] = {
    "16.7 Hz": lambda: square(16.7, NOISE_S),
    "50 Hz": lambda: square(50, NOISE_S),
    "60 Hz": lambda: square(60, NOISE_S),
    "100 Hz": lambda: square(100, NOISE_S),
    "400 Hz": lambda: square(400, NOISE_S),
    "3.7 kHz": lambda: square(3700, FAST_S),
    "random edges": lambda: crackle(NOISE_S),
    "random bursts": lambda: bursts(NOISE_S),
}


@pytest.mark.parametrize("noise", NOISES)
def test_noise_is_never_a_change(site, figure, noise) -> None:
    site.drive(GATE, high=True)
    site.drive(GATE, high=False)
    begun_ns, begun_s = time.time_ns(), time.monotonic()
    edges = site.change_at(NOISES[noise]())
    lasted_s = time.monotonic() - begun_s
    time.sleep(1.5)  # the longest time for which edges are ignored, and a bounce
    opened = site.states_since(begun_ns, "open")
    latched = site.states_since(begun_ns, "latched")
    figure(
        f"noise, {noise}: {edges} edges of 3 lines in {lasted_s:.0f} s, "
        f"{opened.count('alarm') + len(latched)} false changes"
    )
    assert latched == []
    assert opened == ([] if noise == "random bursts" else ["unknown", "normal"])
    if opened:
        query = "SELECT subject FROM event WHERE state = 'disturbed' AND time_ns >= "
        assert set(site.service.query(f"{query}{begun_ns}")) == {
            ("door",),
            (f"arm_gpio {SWITCH}",),
            (f"acknowledge_gpio {BUTTON}",),
        }

    begun_ns = time.time_ns()
    site.drive(DOOR, high=True)
    site.drive(DOOR, high=False)
    assert site.states_since(begun_ns, "open") == ["alarm", "normal"]
    site.drive(BUTTON, high=False)
    site.drive(BUTTON, high=True)
    assert site.states_since(begun_ns, "latched") == ["normal"]


def test_a_real_change_counts_within_the_bounce_time_and_a_look(site, figure) -> None:
    late_ms = []
    for n in range(10):  # more would be written down together
        time.sleep(0.2 + 0.0037 * n)
        begun_s, high = time.monotonic(), n % 2 == 0
        changes = site.service.log.count("alarm open")
        site.header.drive(DOOR, high=high)
        wait_for(lambda n=changes: site.service.log.count("alarm open") > n)
        late_ms.append(1e3 * (time.monotonic() - begun_s))
    figure(
        f"change of a contact to its alarm, {len(late_ms)} changes: "
        f"{min(late_ms):.0f} to {max(late_ms):.0f} ms"
    )
    assert max(late_ms) <= 50 + 50 + 10 + 25  # wait_for looks at the log, too

"""Output lines through all that can happen to a service, seen from outside it."""

import signal
import socket
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from header import Header
from press import SOON_S, STRIKE_G, Service, alarm, pressed

pytestmark = pytest.mark.timeout(0)  # seconds of the guest's are not ours

LEVEL, LOW, OFF, BLINK, PULSE, BEAT = 17, 5, 6, 13, 19, 24
ON = {LEVEL: True, LOW: False, OFF: True}
"""High or low of the lines that are still, in an alarm."""
OUT = {LEVEL: False, LOW: True, OFF: False}
SAFE = {LEVEL: True, LOW: False, OFF: False}

TABLES = "\n".join(
    [
        alarm("level", 'gpio = "BOARD11"'),
        alarm("low", f'gpio = {LOW}\nactive = "low"'),
        alarm("off", f'gpio = "GPIO{OFF}"\nfail_safe = "off"'),
        alarm("blink", f'gpio = {BLINK}\npattern = "blink"\nblink_s = [0.3, 0.2]'),
        alarm("pulse", f'gpio = {PULSE}\npattern = "pulse"\npulse_s = 0.7'),
        f"[heartbeat]\ngpio = {BEAT}\nperiod_s = 1.0\ntimeout_s = 1.0\n",
    ]
)


class Manager:
    """What systemd is to the service: it hears when it is alive."""

    def __init__(self, path):
        self.heard = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.1)
        self._closed = threading.Event()

    def listen(self):
        while not self._closed.is_set():
            try:
                text = self._socket.recv(4096).decode()
            except TimeoutError:
                continue
            self.heard += [(time.monotonic(), line) for line in text.splitlines()]

    @contextmanager
    def listening(self):
        thread = threading.Thread(target=self.listen)
        thread.start()
        try:
            yield
        finally:
            self._closed.set()
            thread.join()
            self._socket.close()

    def alive_s(self, since_s):
        return [at for at, line in self.heard if line == "WATCHDOG=1" and at > since_s]


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """Let everything happen once; return what was seen, by what happened."""
    folder = tmp_path_factory.mktemp("lines")
    manager = Manager(folder / "notify")
    service = Service(folder, TABLES, NOTIFY_SOCKET=str(folder / "notify"))
    header = Header()
    with pressed() as press, manager.listening():
        try:
            yield dict(happenings(service, press, header, manager))
        finally:
            service.process.kill()
            service.process.wait()
            header.close()


def happenings(service, press, header, manager):
    still = tuple(ON)

    def levels():
        time.sleep(SOON_S)
        return {line: header.level(line) for line in still}

    press.chip.absent = True
    service.start()
    service.says("press: starting → absent")
    yield "begun without a sensor", levels()
    press.chip.absent = False
    service.says("pulse: unknown → normal", 40)
    yield "healthy", levels()
    press.g = STRIKE_G
    yield "struck", header.watch((BLINK, PULSE, BEAT), 60)
    yield "in alarm", levels()
    press.g = 0
    yield "calm", levels()

    press.chip.absent = True
    begun_s = time.monotonic()
    yield "blind", levels()
    yield "beat while blind", header.watch((BEAT,), 5, 0.02)
    yield "alive while blind", np.array(manager.alive_s(begun_s)) - begun_s
    press.chip.absent = False
    service.says("absent → ok", 40)
    yield "beat once it sees again", header.watch((BEAT,), 5, 0.02)

    begun_s = time.monotonic()
    service.tell(signal.SIGSTOP)
    yield "hung", header.watch((LEVEL, BEAT), 10, 0.02)
    yield "alive while hung", manager.alive_s(begun_s)
    service.tell(signal.SIGCONT)
    begun_s = time.monotonic()
    yield "beat after it hung", header.watch((BEAT,), 5, 0.02)
    yield "alive after it hung", manager.alive_s(begun_s)

    yield "healthy again", levels()
    service.end(signal.SIGKILL)
    yield "killed while healthy", levels()
    press.chip.absent = True
    service.start()
    service.says("press: starting → absent")
    yield "begun after it was killed", levels()
    press.chip.absent = False
    service.says("pulse: unknown → normal", 40)
    press.g = STRIKE_G
    service.says("pulse: normal → alarm")
    yield "in alarm before the stop", levels()
    yield "status", service.end()
    lines = (*still, BLINK, PULSE, BEAT)
    yield "stopped", header.watch(lines, 2, 0.02)


def test_lines_begin_at_their_safe_level_and_keep_it_without_a_sensor(life):
    assert life["begun without a sensor"] == SAFE


def test_lines_follow_their_alarms(life):
    assert life["healthy"] == OUT
    assert life["in alarm"] == ON
    assert life["calm"] == OUT


def test_an_alarm_that_cannot_see_shows_its_safe_level(life):
    assert life["blind"] == SAFE


def test_a_line_blinks_for_a_minute_without_a_stutter(life):
    at_s = np.array([edge.at_s for edge in life["struck"][BLINK]])[1:]
    whole_s = at_s[2:] - at_s[:-2]
    assert len(at_s) / 2 == pytest.approx(60 / 0.5, abs=1)
    assert whole_s == pytest.approx(np.full(len(whole_s), 0.5), abs=0.021)
    assert at_s[1] - at_s[0] == pytest.approx(0.3, abs=0.021)
    assert at_s[-1] - at_s[0] == pytest.approx(0.25 * (len(at_s) - 1), abs=0.1)


def test_one_pulse_is_all_that_an_alarm_with_a_pulse_gives(life):
    _, begun, ended = life["struck"][PULSE]
    assert begun.high
    assert ended.at_s - begun.at_s == pytest.approx(0.7, abs=0.021)


def test_the_heart_beats_as_long_as_data_moves(life):
    at_s = np.array([edge.at_s for edge in life["struck"][BEAT]])[1:]
    assert len(at_s) == pytest.approx(120, abs=2)
    assert np.diff(at_s) == pytest.approx(np.full(len(at_s) - 1, 0.5), abs=0.021)


def test_the_heart_stops_when_no_data_moves_and_beats_again(life):
    beats = life["beat while blind"][BEAT]
    assert beats[-1].at_s - beats[0].at_s < 1.6  # timeout_s, and half a period
    assert len(life["beat once it sees again"][BEAT]) >= 8


def test_systemd_hears_that_a_service_without_its_sensor_lives(life):
    assert len(life["alive while blind"]) >= 3


def test_a_service_that_hangs_falls_silent_and_goes_on(life):
    assert [len(edges) for edges in life["hung"].values()] == [1, 1]
    assert life["alive while hung"] == []
    assert len(life["beat after it hung"][BEAT]) >= 8
    assert len(life["alive after it hung"]) >= 4


def test_a_killed_services_lines_fall_to_their_safe_level(life):
    """By their pulls: here the kernel lets go of lines, as most do."""
    assert life["healthy again"] == OUT
    assert life["killed while healthy"] == SAFE


def test_a_service_that_is_started_again_makes_its_lines_safe(life):
    assert life["begun after it was killed"] == SAFE


def test_a_stopped_service_leaves_lines_at_their_safe_level(life):
    assert life["in alarm before the stop"] == ON
    assert life["status"] == 0
    seen = life["stopped"]
    assert {line: edges[0].high for line, edges in seen.items()} == {
        **SAFE,
        BLINK: True,
        PULSE: True,
        BEAT: False,
    }
    assert all(len(edges) == 1 for edges in seen.values())

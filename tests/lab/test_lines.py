"""Output lines in every state of a service, observed from outside it."""

import signal
import socket
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from header import Header
from press import SETTLE_S, STRIKE_G, Service, alarm, press_on_bus

pytestmark = pytest.mark.timeout(0)  # it would measure the guest's virtual time

LEVEL, LOW, OFF, BLINK, PULSE, BEAT = 17, 5, 6, 13, 19, 24
ON = {LEVEL: True, LOW: False, OFF: True}
"""The levels of the lines without a pattern during an alarm."""
HEALTHY = {LEVEL: False, LOW: True, OFF: False}
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


class NotifySocket:
    """The socket on which systemd receives a service's notifications."""

    def __init__(self, path):
        self.notifications = []
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
            now_s = time.monotonic()
            self.notifications += [(now_s, line) for line in text.splitlines()]

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

    def watchdog_s(self, since_s):
        """Return the times of WATCHDOG=1 after `since_s`."""
        return [
            at_s
            for at_s, line in self.notifications
            if line == "WATCHDOG=1" and at_s > since_s
        ]


@pytest.fixture(scope="module")
def observations(tmp_path_factory):
    """The observations in each state of one service, by the name of the state."""
    folder = tmp_path_factory.mktemp("lines")
    notify = NotifySocket(folder / "notify")
    service = Service(folder, TABLES, NOTIFY_SOCKET=str(folder / "notify"))
    header = Header()
    with press_on_bus() as press, notify.listening():
        try:
            yield dict(observe(service, press, header, notify))
        finally:
            service.process.kill()
            service.process.wait()
            header.close()


def observe(service, press, header, notify):
    """Bring a service into one state after the other; yield what is observed."""
    steady = tuple(ON)

    def levels():
        time.sleep(SETTLE_S)
        return {line: header.level(line) for line in steady}

    press.chip.absent = True
    service.start()
    service.wait_for_log("press: starting → absent")
    yield "started without a sensor", levels()
    press.chip.absent = False
    service.wait_for_log("pulse: unknown → normal", 40)
    yield "healthy", levels()
    press.g = STRIKE_G
    yield "striking", header.watch((BLINK, PULSE, BEAT), 60)
    yield "in alarm", levels()
    press.g = 0
    yield "at rest", levels()

    press.chip.absent = True
    begun_s = time.monotonic()
    yield "sensor absent", levels()
    yield "heartbeat while absent", header.watch((BEAT,), 5, 0.02)
    yield "watchdog while absent", np.array(notify.watchdog_s(begun_s)) - begun_s
    press.chip.absent = False
    service.wait_for_log("absent → ok", 40)
    yield "heartbeat after the return", header.watch((BEAT,), 5, 0.02)

    begun_s = time.monotonic()
    service.send(signal.SIGSTOP)
    yield "stopped by SIGSTOP", header.watch((LEVEL, BEAT), 10, 0.02)
    yield "watchdog while stopped", notify.watchdog_s(begun_s)
    service.send(signal.SIGCONT)
    begun_s = time.monotonic()
    yield "heartbeat after SIGCONT", header.watch((BEAT,), 5, 0.02)
    yield "watchdog after SIGCONT", notify.watchdog_s(begun_s)

    yield "healthy again", levels()
    service.end(signal.SIGKILL)
    yield "killed while healthy", levels()
    press.chip.absent = True
    service.start()
    service.wait_for_log("press: starting → absent")
    yield "started after a kill", levels()
    press.chip.absent = False
    service.wait_for_log("pulse: unknown → normal", 40)
    press.g = STRIKE_G
    service.wait_for_log("pulse: normal → alarm")
    yield "in alarm before the stop", levels()
    yield "status", service.end()
    lines = (*steady, BLINK, PULSE, BEAT)
    yield "stopped", header.watch(lines, 2, 0.02)


def test_lines_start_and_stay_at_their_safe_level_without_a_sensor(observations):
    assert observations["started without a sensor"] == SAFE


def test_lines_follow_their_alarms(observations):
    assert observations["healthy"] == HEALTHY
    assert observations["in alarm"] == ON
    assert observations["at rest"] == HEALTHY


def test_an_alarm_without_data_has_its_safe_level(observations):
    assert observations["sensor absent"] == SAFE


def test_a_line_blinks_evenly_for_a_minute(observations):
    at_s = np.array([edge.at_s for edge in observations["striking"][BLINK]])[1:]
    whole_s = at_s[2:] - at_s[:-2]
    assert len(at_s) / 2 == pytest.approx(60 / 0.5, abs=1)
    assert whole_s == pytest.approx(np.full(len(whole_s), 0.5), abs=0.021)
    assert at_s[1] - at_s[0] == pytest.approx(0.3, abs=0.021)
    assert at_s[-1] - at_s[0] == pytest.approx(0.25 * (len(at_s) - 1), abs=0.1)


def test_an_alarm_with_a_pulse_gives_one_pulse(observations):
    _, rise, fall = observations["striking"][PULSE]
    assert rise.high
    assert fall.at_s - rise.at_s == pytest.approx(0.7, abs=0.021)


def test_the_heartbeat_continues_while_samples_arrive(observations):
    at_s = np.array([edge.at_s for edge in observations["striking"][BEAT]])[1:]
    assert len(at_s) == pytest.approx(120, abs=2)
    assert np.diff(at_s) == pytest.approx(np.full(len(at_s) - 1, 0.5), abs=0.021)


def test_the_heartbeat_stops_without_samples_and_starts_again(observations):
    beats = observations["heartbeat while absent"][BEAT]
    assert beats[-1].at_s - beats[0].at_s < 1.6  # timeout_s, and half a period
    assert len(observations["heartbeat after the return"][BEAT]) >= 8


def test_the_watchdog_is_notified_without_a_sensor(observations):
    assert len(observations["watchdog while absent"]) >= 3


def test_a_stopped_service_notifies_nobody_and_continues(observations):
    assert [len(edges) for edges in observations["stopped by SIGSTOP"].values()] == [
        1,
        1,
    ]
    assert observations["watchdog while stopped"] == []
    assert len(observations["heartbeat after SIGCONT"][BEAT]) >= 8
    assert len(observations["watchdog after SIGCONT"]) >= 4


def test_the_lines_of_a_killed_service_are_pulled_to_their_safe_level(observations):
    """Here the kernel releases the lines, as most kernels do."""
    assert observations["healthy again"] == HEALTHY
    assert observations["killed while healthy"] == SAFE


def test_a_restarted_service_makes_its_lines_safe(observations):
    assert observations["started after a kill"] == SAFE


def test_a_service_that_ends_leaves_lines_at_their_safe_level(observations):
    assert observations["in alarm before the stop"] == ON
    assert observations["status"] == 0
    edges_of = observations["stopped"]
    assert {line: edges[0].high for line, edges in edges_of.items()} == {
        **SAFE,
        BLINK: True,
        PULSE: True,
        BEAT: False,
    }
    assert all(len(edges) == 1 for edges in edges_of.values())

"""Inputs of a running service (buttons, contacts, triggers) and its meters."""

import time

import numpy as np
import pytest
from adapter import wait_for
from header import Header
from press import (
    RATE_HZ,
    SETTLE_S,
    STRIKE_G,
    WINDOW,
    Service,
    alarm,
    press_on_bus,
)

pytestmark = pytest.mark.timeout(0)  # it would measure the guest's virtual time

LATCHED, LATCHED_TOO, ARMED, GUARD = 17, 16, 5, 6
BUTTON, SWITCH, DOOR, STROKE = 27, 26, 23, 22
NEEDLE, ARM = 18, 12
FULL_SCALE = 3.0

TABLES = "\n".join(
    [
        f"""
[[sensor]]
name = "door"
driver = "gpio"
gpio = {DOOR}
[[alarm]]
name = "guard"
sensor = "door"
gpio = {GUARD}
fail_safe = "off"
[alarm.when]
equals = 1
[[model]]
name = "stroke"
path = "strike"
sensor = "press"
delegate = "cpu"
[model.trigger]
gpio = {STROKE}
[[meter]]
name = "needle"
model = "strike"
gpio = {NEEDLE}
frequency_hz = 10
full_scale = {FULL_SCALE}
[[meter]]
name = "arm"
model = "strike"
gpio = {ARM}
kind = "servo"
full_scale = {FULL_SCALE}
""",
        *(
            alarm(name, f"gpio = {n}\nlatch = true\nacknowledge_gpio = {BUTTON}")
            for name, n in (("latched", LATCHED), ("latched too", LATCHED_TOO))
        ),
        alarm("armed", f"gpio = {ARMED}\narm_gpio = {SWITCH}"),
    ]
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """The service, its press and its header: door shut, alarm armed, buttons open."""
    service = Service(tmp_path_factory.mktemp("inputs"), TABLES)
    header = Header()
    with press_on_bus() as press:
        service.start()
        try:
            service.wait_for_log("latched: unknown → normal")
            header.drive(SWITCH, high=False)
            service.wait_for_log("armed: disarmed → normal")
            header.drive(DOOR, high=False)
            service.wait_for_log("guard: alarm → normal")
            yield service, press, header
            assert service.end() == 0, service.log
        finally:
            service.process.kill()
            service.process.wait()
            header.close()


@pytest.fixture(autouse=True)
def press_at_rest(installation):
    """Bring the press to rest at the end of a test."""
    yield
    installation[1].g = 0.0
    time.sleep(SETTLE_S)


def level_of(header, line):
    time.sleep(SETTLE_S)
    return header.level(line)


def test_one_button_acknowledges_all_latched_alarms(installation):
    _, press, header = installation

    def levels():
        time.sleep(SETTLE_S)
        return [header.level(line) for line in (LATCHED, LATCHED_TOO)]

    press.g = STRIKE_G
    assert levels() == [True, True]
    press.g = 0.0
    assert levels() == [True, True]
    header.drive(BUTTON, high=False)
    time.sleep(0.1)
    header.drive(BUTTON, high=True)
    assert levels() == [False, False]


def test_an_acknowledgement_does_not_apply_to_a_later_alarm(installation):
    _, press, header = installation
    header.drive(BUTTON, high=False)
    time.sleep(0.1)
    header.drive(BUTTON, high=True)
    press.g = STRIKE_G
    assert level_of(header, LATCHED)
    press.g = 0.0
    assert level_of(header, LATCHED)
    header.drive(BUTTON, high=False)
    assert not level_of(header, LATCHED)
    header.drive(BUTTON, high=True)


def test_a_disarmed_alarm_stays_off(installation):
    service, press, header = installation
    press.g = STRIKE_G
    assert level_of(header, ARMED)
    header.drive(SWITCH, high=True)
    service.wait_for_log("armed: alarm → disarmed: disarmed")
    assert not level_of(header, ARMED)
    press.chip.absent = True
    assert not level_of(header, ARMED)
    press.chip.absent = False
    service.wait_for_log("absent → ok")
    assert not level_of(header, ARMED)
    header.drive(SWITCH, high=False)
    assert level_of(header, ARMED)


def test_a_bouncing_contact_counts_as_one_change(installation):
    service, _, header = installation
    changes = service.log.count("alarm guard:")
    for high in (True, False):
        for _ in range(6):
            header.drive(DOOR, high=high)
            time.sleep(0.005)
            header.drive(DOOR, high=not high)
            time.sleep(0.005)
        assert header.level(GUARD) is not high
        header.drive(DOOR, high=high)
        assert level_of(header, GUARD) is high
    assert service.log.count("alarm guard:") == changes + 2


def test_a_contact_alarm_has_the_time_of_the_edge(installation, figure):
    service, _, header = installation
    edges_ns = []
    for n in range(8):  # more are written down together
        time.sleep(0.2 + 0.0037 * n)
        edges_ns.append(time.time_ns())
        header.drive(DOOR, high=n % 2 == 0)
    query = (
        f"SELECT time_ns FROM alarm WHERE alarm = 'guard' AND time_ns > {edges_ns[0]}"
    )
    wait_for(lambda: len(service.query(query)) >= len(edges_ns))
    times_ns = np.array(service.query(f"{query} ORDER BY time_ns"))[:, 0]
    late_ms = (times_ns - edges_ns) / 1e6
    figure(
        f"edge of a contact to its time, {len(edges_ns)} edges: "
        f"{min(late_ms):.1f} to {max(late_ms):.1f} ms"
    )
    assert min(late_ms) >= 0
    assert max(late_ms) < 3


def test_every_trigger_edge_gives_exactly_one_window(installation, figure):
    service, press, header = installation
    press.g = STRIKE_G
    edges_ns = []
    begun_ns = time.time_ns()
    for stroke in range(40):
        edges_ns.append(time.time_ns())
        header.drive(STROKE, high=True)
        time.sleep(0.02)
        header.drive(STROKE, high=False)
        time.sleep(0.1 + 0.0073 * stroke)

    def windows():
        return service.query(
            "SELECT start_ns, end_ns, score FROM prediction WHERE model = 'stroke' "
            f"AND start_ns > {begun_ns} ORDER BY start_ns"
        )

    wait_for(lambda: len(windows()) >= len(edges_ns))
    time.sleep(2.0)
    start_ns, end_ns, score = map(np.array, zip(*windows(), strict=True))
    assert len(start_ns) == len(edges_ns)
    late_ms = (start_ns - edges_ns) / 1e6
    figure(
        f"edge of a trigger to the first sample of its window, {len(edges_ns)} edges, "
        f"a sample every {1e3 / RATE_HZ:g} ms: {min(late_ms):.1f} to "
        f"{max(late_ms):.1f} ms"
    )
    assert min(late_ms) >= 0
    assert max(late_ms) <= 1e3 / RATE_HZ + 2
    assert end_ns - start_ns == pytest.approx(1e9 * (WINDOW - 1) / RATE_HZ, rel=5e-3)
    assert score == pytest.approx(STRIKE_G, rel=1e-3)


@pytest.mark.parametrize("g", [0.0, 0.75, 1.5, 2.25, 3.2])
def test_meters_show_the_score(installation, g):
    _, press, header = installation
    press.g = g
    time.sleep(2 * SETTLE_S)
    share = min(1.0, g / FULL_SCALE)
    edges = header.watch((NEEDLE, ARM), 4, 0.00037)
    assert duty(edges[NEEDLE]) == pytest.approx(share, abs=0.02)
    assert 20 * duty(edges[ARM]) == pytest.approx(1 + share, abs=0.05)  # ms


def duty(edges):
    """Return the share of time that a line was high, over whole periods."""
    if len(edges) < 4:
        return float(edges[0].high)
    at_s = np.array([edge.at_s for edge in edges])[1:]
    at_s = at_s[: len(at_s) - (len(at_s) + 1) % 2]
    first = np.diff(at_s)[::2].sum() / (at_s[-1] - at_s[0])
    return first if edges[1].high else 1 - first

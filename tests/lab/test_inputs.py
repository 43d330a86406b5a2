"""Input lines of a running service: buttons, contacts, triggers; and its meters."""

import time

import numpy as np
import pytest
from adapter import wait_for
from header import Header
from press import RATE_HZ, SOON_S, STRIKE_G, WINDOW, Service, alarm, pressed

pytestmark = pytest.mark.timeout(0)  # seconds of the guest's are not ours

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
def plant(tmp_path_factory):
    """A press that is watched, with its door shut, the alarm armed, nothing pressed."""
    service = Service(tmp_path_factory.mktemp("inputs"), TABLES)
    header = Header()
    with pressed() as press:
        service.start()
        try:
            service.says("latched: unknown → normal")
            header.drive(SWITCH, high=False)
            service.says("armed: disarmed → normal")
            header.drive(DOOR, high=False)
            service.says("guard: alarm → normal")
            yield service, press, header
            assert service.end() == 0, service.log
        finally:
            service.process.kill()
            service.process.wait()
            header.close()


@pytest.fixture(autouse=True)
def still(plant):
    """Let the press be still when a test ends."""
    yield
    plant[1].g = 0.0
    time.sleep(SOON_S)


def level_of(header, line):
    time.sleep(SOON_S)
    return header.level(line)


def test_latched_alarms_hold_until_the_button_of_all_is_pressed(plant):
    _, press, header = plant

    def levels():
        time.sleep(SOON_S)
        return [header.level(line) for line in (LATCHED, LATCHED_TOO)]

    press.g = STRIKE_G
    assert levels() == [True, True]
    press.g = 0.0
    assert levels() == [True, True]
    header.drive(BUTTON, high=False)
    time.sleep(0.1)
    header.drive(BUTTON, high=True)
    assert levels() == [False, False]


def test_a_button_acknowledges_no_later_alarm(plant):
    _, press, header = plant
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


def test_a_disarmed_alarm_is_off_whatever_happens(plant):
    service, press, header = plant
    press.g = STRIKE_G
    assert level_of(header, ARMED)
    header.drive(SWITCH, high=True)
    service.says("armed: alarm → disarmed: disarmed")
    assert not level_of(header, ARMED)
    press.chip.absent = True
    assert not level_of(header, ARMED)
    press.chip.absent = False
    service.says("absent → ok")
    assert not level_of(header, ARMED)
    header.drive(SWITCH, high=False)
    assert level_of(header, ARMED)


def test_a_contact_that_bounces_changes_once(plant):
    service, _, header = plant
    said = service.log.count("alarm guard:")
    for high in (True, False):
        for _ in range(6):
            header.drive(DOOR, high=high)
            time.sleep(0.005)
            header.drive(DOOR, high=not high)
            time.sleep(0.005)
        assert header.level(GUARD) is not high
        header.drive(DOOR, high=high)
        assert level_of(header, GUARD) is high
    assert service.log.count("alarm guard:") == said + 2


def test_a_contact_has_the_time_of_its_edge(plant, figure):
    service, _, header = plant
    edges_ns = []
    for n in range(20):
        time.sleep(0.2 + 0.0037 * n)
        edges_ns.append(time.time_ns())
        header.drive(DOOR, high=n % 2 == 0)
    query = (
        f"SELECT time_ns FROM alarm WHERE alarm = 'guard' AND time_ns > {edges_ns[0]}"
    )
    wait_for(lambda: len(service.rows(query)) >= len(edges_ns))
    told_ns = np.array(service.rows(f"{query} ORDER BY time_ns"))[:, 0]
    late_ms = (told_ns - edges_ns) / 1e6
    figure(
        f"edge of a contact to its time, {len(edges_ns)} edges: "
        f"{min(late_ms):.1f} to {max(late_ms):.1f} ms"
    )
    assert min(late_ms) >= 0
    assert max(late_ms) < 3


def test_every_edge_of_the_trigger_has_its_window_and_nothing_else_has(plant, figure):
    service, press, header = plant
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
        return service.rows(
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
def test_meters_point_at_the_score(plant, g):
    _, press, header = plant
    press.g = g
    time.sleep(2 * SOON_S)
    share = min(1.0, g / FULL_SCALE)
    seen = header.watch((NEEDLE, ARM), 4, 0.00037)
    assert duty(seen[NEEDLE]) == pytest.approx(share, abs=0.02)
    assert 20 * duty(seen[ARM]) == pytest.approx(1 + share, abs=0.05)  # ms


def duty(edges):
    """Return the share of whole periods that a line was high."""
    if len(edges) < 4:
        return float(edges[0].high)
    at_s = np.array([edge.at_s for edge in edges])[1:]
    at_s = at_s[: len(at_s) - (len(at_s) + 1) % 2]
    first = np.diff(at_s)[::2].sum() / (at_s[-1] - at_s[0])
    return first if edges[1].high else 1 - first

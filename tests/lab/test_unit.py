"""systemd/sensorml.service, run by the systemd that is process 1 of the guest.

What the unit expects is made as its first lines say, but for the program, which
is this checkout; and udev, which does not run here: its rules are done by hand.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from header import Header
from press import CONFIG, SOON_S, STRIKE_G, alarm, pressed, write_model

from sensorml.storage.reader import Reader
from sensorml.storage.tables import COLUMNS

pytestmark = pytest.mark.timeout(0)  # seconds of the guest's are not ours

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "systemd"
UNITS = Path("/etc/systemd/system")
SETTINGS = Path("/etc/sensorml")
JOURNAL = Path("/var/lib/sensorml/journal.db")
PLACES = {
    Path("/opt/python"): Path(sys.executable).resolve().parents[1],
    Path("/opt/packages"): Path(sysconfig.get_path("purelib")),
    Path("/opt/checkout"): REPOSITORY,
}
"""Where users may look, and what is put there."""
LINE = 17
FOREIGN = "/dev/fuse"
"""A device that is none of the service's business."""
PROGRAM = f"/opt/python/bin/{Path(sys.executable).resolve().name} -m sensorml"

DROP_IN = f"""
[Service]
ExecStart=
ExecStart={PROGRAM} run /etc/sensorml/sensorml.toml
ExecStopPost=
ExecStopPost={PROGRAM} safe /etc/sensorml/sensorml.toml
Environment=PYTHONPATH=/opt/checkout:/opt/packages PYTHONDONTWRITEBYTECODE=1
Environment=LD_LIBRARY_PATH=/opt/python/lib OPENBLAS_NUM_THREADS=1
Environment=MALLOC_MMAP_MAX_=0 MALLOC_TOP_PAD_=67108864
"""


def systemctl(*arguments):
    done = subprocess.run(
        ["systemctl", *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def shown(name):
    """Return one property of the unit."""
    return systemctl("show", "--value", f"--property={name}", "sensorml").strip()


def wait_until(name, value, within_s=60):
    """Ask once a second: to ask is what costs time here."""
    for _ in range(within_s):
        if shown(name) == value:
            return
        time.sleep(1.0)
    raise AssertionError(f"{name} is {shown(name)}, not {value}:\n{log()}")


def install():
    subprocess.run(["systemd-sysusers", SHIPPED / "sensorml.sysusers.conf"], check=True)
    for place, what in PLACES.items():
        place.mkdir(parents=True)
        subprocess.run(["mount", "--bind", what, place], check=True)
    shutil.copy(SHIPPED / "sensorml.service", UNITS)
    (UNITS / "sensorml.service.d").mkdir()
    (UNITS / "sensorml.service.d/lab.conf").write_text(DROP_IN)
    write_model(SETTINGS / "strike")
    (SETTINGS / "sensorml.toml").write_text(CONFIG + alarm("struck", f"gpio = {LINE}"))
    systemctl("daemon-reload")


def do_what_udev_does():
    rules = (SHIPPED / "60-sensorml.rules").read_text()
    nodes = {"/dev/i2c-1": "i2c-dev", "/dev/gpiochip0": "gpio"}
    for node, subsystem in nodes.items():
        rule = rf'^SUBSYSTEM=="{subsystem}".*GROUP="(\w+)", MODE="(\d+)"$'
        [(group, mode)] = re.findall(rule, rules, re.MULTILINE)
        shutil.chown(node, group=group)
        Path(node).chmod(int(mode, 8))


def log():
    done = subprocess.run(
        ["journalctl", "--unit=sensorml", "--output=cat"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def may_open(node):
    """Whether the devices of the unit let one of its processes have a node."""
    group = "/sys/fs/cgroup/system.slice/sensorml.service/cgroup.procs"
    script = f"echo $$ >{group} && exec 3<>{node}"
    done = subprocess.run(["sh", "-c", script], stderr=subprocess.PIPE, check=False)
    return done.returncode == 0


def may_write(folder):
    """Whether a folder is writable as the service sees it."""
    seen = Path(f"/proc/{shown('MainPID')}/root{folder}")
    return not os.statvfs(seen).f_flag & os.ST_RDONLY


def journal(kind):
    reader = Reader(JOURNAL)
    try:
        rows = [row for _, row in reader.read(kind, 0, 10**6)]
    finally:
        reader.close()
    return [dict(zip(COLUMNS[kind], row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def life():
    """Let everything happen once; return what was seen, by what happened."""
    install()
    header = Header()
    with pressed() as press:
        do_what_udev_does()
        try:
            yield dict(happenings(press, header))
        finally:
            systemctl("stop", "sensorml")
            header.close()


def happenings(press, header):
    press.chip.absent = True
    systemctl("start", "--no-block", "sensorml")
    time.sleep(15.0)
    yield "before it can tell", (shown("ActiveState"), header.level(LINE))
    wait_until("ActiveState", "active")
    time.sleep(60.0)
    yield "without a sensor", (shown("StatusText"), header.level(LINE))
    yield "restarts without a sensor", shown("NRestarts")
    press.chip.absent = False
    wait_until("StatusText", "press ok, struck normal")
    yield "with a sensor", header.level(LINE)
    os.close(os.open(FOREIGN, os.O_RDWR))  # others can
    nodes = ("/dev/i2c-1", f"/dev/{header.chip}", FOREIGN)
    yield "opens", [may_open(node) for node in nodes]
    yield "writes", [may_write(each) for each in (JOURNAL.parent, "/tmp", "/etc", "/")]

    begun_s = time.monotonic()
    os.kill(int(shown("MainPID")), signal.SIGSTOP)
    wait_until("NRestarts", "1")
    yield "restarted after", time.monotonic() - begun_s
    wait_until("ActiveState", "active")
    press.g = STRIKE_G
    time.sleep(SOON_S)
    yield "struck after it hung", header.level(LINE)
    press.g = 0.0
    time.sleep(SOON_S + 1.0)  # and the journal's commit

    before = journal("prediction")
    os.kill(int(shown("MainPID")), signal.SIGKILL)
    wait_until("NRestarts", "2")
    wait_until("ActiveState", "active")
    time.sleep(SOON_S)
    yield "healthy after it was killed", header.level(LINE)

    yield "left where it was", list(killed_with_a_broken_configuration(header))
    wait_until("ActiveState", "active")
    systemctl("stop", "sensorml")
    yield "rows", (before, journal("prediction"))
    yield "stopped", (shown("ActiveState"), shown("Result"), header.level(LINE))
    yield "events", [e["state"] for e in journal("event") if e["kind"] == "service"]


def killed_with_a_broken_configuration(header):
    """Kill it on a kernel that leaves its line where it was, as a Raspberry Pi's does.

    gpio-sim puts a line that is let go of to its pull, which the service has set
    towards the safe level: put it the other way.
    """
    file = SETTINGS / "sensorml.toml"
    good = file.read_text()
    file.write_text("this is no TOML")
    header.drive(LINE, high=False)
    os.kill(int(shown("MainPID")), signal.SIGKILL)
    yield header.level(LINE)
    time.sleep(10.0)
    yield header.level(LINE)
    file.write_text(good)


def test_it_is_active_after_a_while_also_when_it_cannot_see(life):
    assert life["before it can tell"] == ("activating", True)
    assert life["without a sensor"] == ("press absent, struck unknown", True)
    assert not life["with a sensor"]


def test_a_sensor_that_is_away_for_long_is_no_reason_to_be_started_again(life):
    assert life["restarts without a sensor"] == "0"


def test_it_has_its_devices_and_no_others(life):
    assert life["opens"] == [True, True, False]


def test_it_may_write_its_journal_and_nothing_of_the_system(life):
    assert life["writes"] == [True, True, False, False]


def test_one_that_hangs_is_started_again(life):
    assert life["restarted after"] == pytest.approx(30 + 2, abs=2)
    assert life["struck after it hung"]


def test_one_that_was_killed_comes_back_and_continues_its_journal(life):
    before, after = life["rows"]
    assert not life["healthy after it was killed"]
    assert len(before) > 20
    assert after[: len(before)] == before
    assert len(after) > len(before)


def test_a_line_is_made_safe_also_when_the_service_cannot_be_started_again(life):
    assert life["left where it was"] == [False, True]


def test_a_stop_is_clean_and_leaves_the_line_safe(life):
    assert life["stopped"] == ("inactive", "success", True)
    assert life["events"] == ["started"] * 4 + ["stopped"]

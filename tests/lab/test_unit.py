"""The unit file systemd/sensorml.service under systemd, process 1 of the guest.

The unit is installed as its first lines say, with two differences: the program is
this checkout, and the test applies the udev rules, because udev does not run here.
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
from press import CONFIG, SETTLE_S, STRIKE_G, alarm, press_on_bus, write_model

from sensorml.storage.reader import Reader
from sensorml.storage.tables import COLUMNS

pytestmark = pytest.mark.timeout(0)  # it would measure the guest's virtual time

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "systemd"
UNITS = Path("/etc/systemd/system")
SETTINGS = Path("/etc/sensorml")
JOURNAL = Path("/var/lib/sensorml/journal.db")
MOUNTS = {
    Path("/opt/python"): Path(sys.executable).resolve().parents[1],
    Path("/opt/packages"): Path(sysconfig.get_path("purelib")),
    Path("/opt/checkout"): REPOSITORY,
}
"""Folders that the service's user can read, and what is mounted there."""
LINE = 17
FOREIGN = "/dev/fuse"
"""A device that the unit does not allow."""
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
    completed = subprocess.run(
        ["systemctl", *arguments], capture_output=True, text=True, check=True
    )
    return completed.stdout


def unit_property(name):
    """Return one property of the unit."""
    return systemctl("show", "--value", f"--property={name}", "sensorml").strip()


def wait_until(name, value, within_s=60):
    """Wait for a property of the unit; poll once a second, because polling is slow."""
    for _ in range(within_s):
        if unit_property(name) == value:
            return
        time.sleep(1.0)
    raise AssertionError(f"{name} is {unit_property(name)}, not {value}:\n{log()}")


def install():
    subprocess.run(["systemd-sysusers", SHIPPED / "sensorml.sysusers.conf"], check=True)
    for folder, source in MOUNTS.items():
        folder.mkdir(parents=True)
        subprocess.run(["mount", "--bind", source, folder], check=True)
    shutil.copy(SHIPPED / "sensorml.service", UNITS)
    (UNITS / "sensorml.service.d").mkdir()
    (UNITS / "sensorml.service.d/lab.conf").write_text(DROP_IN)
    write_model(SETTINGS / "strike")
    (SETTINGS / "sensorml.toml").write_text(CONFIG + alarm("struck", f"gpio = {LINE}"))
    systemctl("daemon-reload")


def apply_udev_rules():
    rules = (SHIPPED / "60-sensorml.rules").read_text()
    nodes = {"/dev/i2c-1": "i2c-dev", "/dev/gpiochip0": "gpio"}
    for node, subsystem in nodes.items():
        rule = rf'^SUBSYSTEM=="{subsystem}".*GROUP="(\w+)", MODE="(\d+)"$'
        [(group, mode)] = re.findall(rule, rules, re.MULTILINE)
        shutil.chown(node, group=group)
        Path(node).chmod(int(mode, 8))


def log():
    completed = subprocess.run(
        ["journalctl", "--unit=sensorml", "--output=cat"],
        capture_output=True,
        text=True,
        check=True,
    )
    return completed.stdout


def in_the_unit(command):
    """Run a command of the shell as root among the processes of the unit."""
    group = "/sys/fs/cgroup/system.slice/sensorml.service/cgroup.procs"
    script = f"echo $$ >{group} && exec {command}"
    return subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=False
    )


def may_open(node):
    """Return whether the unit allows its processes to open a device node."""
    return in_the_unit(f"3<>{node}").returncode == 0


def forbidden(*nodes):
    """Return which nodes the program finds forbidden in the unit."""
    program = (
        "import sys; from sensorml.access import is_forbidden; "
        "print(*filter(is_forbidden, sys.argv[1:]))"
    )
    found = in_the_unit(f"{sys.executable} -c '{program}' {' '.join(nodes)}")
    assert found.returncode == 0, found.stderr
    return found.stdout.split()


def may_write(folder):
    """Return whether a folder is writable for the service."""
    folder_of_unit = Path(f"/proc/{unit_property('MainPID')}/root{folder}")
    return not os.statvfs(folder_of_unit).f_flag & os.ST_RDONLY


def real_time_threads():
    """Return the names of the service's threads that are scheduled in real time."""
    tasks = Path(f"/proc/{unit_property('MainPID')}/task")
    return [
        (task / "comm").read_text().strip()
        for task in tasks.iterdir()
        if os.sched_getscheduler(int(task.name)) & os.SCHED_FIFO
    ]


def locked_kb():
    status = Path(f"/proc/{unit_property('MainPID')}/status").read_text()
    return int(re.search(r"VmLck:\s*(\d+) kB", status)[1])


def journal(kind):
    reader = Reader(JOURNAL)
    try:
        rows = reader.rows(kind, 0, 10**6)
    finally:
        reader.close()
    return [dict(zip(COLUMNS[kind], row[:-1], strict=True)) for row in rows]


@pytest.fixture(scope="module")
def observations():
    """The observations in each state of the unit, by the name of the state."""
    install()
    header = Header()
    with press_on_bus() as press:
        apply_udev_rules()
        try:
            yield dict(observe(press, header))
        finally:
            systemctl("stop", "sensorml")
            header.close()


def observe(press, header):
    """Bring the unit into one state after the other; yield what is observed."""
    press.chip.absent = True
    systemctl("start", "--no-block", "sensorml")
    time.sleep(15.0)
    yield "before the first result", (unit_property("ActiveState"), header.level(LINE))
    wait_until("ActiveState", "active")
    time.sleep(60.0)
    yield "without a sensor", (unit_property("StatusText"), header.level(LINE))
    yield "restarts without a sensor", unit_property("NRestarts")
    press.chip.absent = False
    wait_until("StatusText", "press ok, struck normal")
    yield "with a sensor", header.level(LINE)
    yield "real time", (len(real_time_threads()), locked_kb())
    os.close(os.open(FOREIGN, os.O_RDWR))  # other processes can open it
    nodes = ("/dev/i2c-1", f"/dev/{header.chip}", FOREIGN)
    yield "opens", [may_open(node) for node in nodes]
    yield "forbidden", forbidden(*nodes)
    yield (
        "writes",
        [may_write(folder) for folder in (JOURNAL.parent, "/tmp", "/etc", "/")],
    )

    begun_s = time.monotonic()
    os.kill(int(unit_property("MainPID")), signal.SIGSTOP)
    wait_until("NRestarts", "1")
    yield "restarted after", time.monotonic() - begun_s
    wait_until("ActiveState", "active")
    press.g = STRIKE_G
    time.sleep(SETTLE_S)
    yield "striking after a hang", header.level(LINE)
    press.g = 0.0
    time.sleep(SETTLE_S + 1.0)  # until the journal's commit

    before = journal("prediction")
    os.kill(int(unit_property("MainPID")), signal.SIGKILL)
    wait_until("NRestarts", "2")
    wait_until("ActiveState", "active")
    time.sleep(SETTLE_S)
    yield "healthy after a kill", header.level(LINE)

    yield (
        "line after a kill, and later",
        list(killed_with_a_broken_configuration(header)),
    )
    wait_until("ActiveState", "active")
    systemctl("stop", "sensorml")
    yield "rows", (before, journal("prediction"))
    yield (
        "stopped",
        (unit_property("ActiveState"), unit_property("Result"), header.level(LINE)),
    )
    yield "events", [e["state"] for e in journal("event") if e["kind"] == "service"]
    scheduling = [e for e in journal("event") if e["kind"] == "scheduling"]
    yield "scheduling", {(e["state"], e["detail"]) for e in scheduling}


def killed_with_a_broken_configuration(header):
    """Kill it on a kernel that keeps the level of its line, as a Raspberry Pi's does.

    gpio-sim sets a released line to its pull, which the service has set to the safe
    level; this sets it to the other level.
    """
    file = SETTINGS / "sensorml.toml"
    valid = file.read_text()
    file.write_text("this is no TOML")
    header.drive(LINE, high=False)
    os.kill(int(unit_property("MainPID")), signal.SIGKILL)
    yield header.level(LINE)
    time.sleep(10.0)
    yield header.level(LINE)
    file.write_text(valid)


def test_the_unit_becomes_active_also_without_a_sensor(observations):
    assert observations["before the first result"] == ("activating", True)
    assert observations["without a sensor"] == ("press absent, struck unknown", True)
    assert not observations["with a sensor"]


def test_a_sensor_absent_for_a_minute_causes_no_restart(observations):
    assert observations["restarts without a sensor"] == "0"


def test_the_thread_of_the_bus_is_scheduled_in_real_time(observations):
    threads, kb = observations["real time"]
    assert threads == 1
    assert kb > 10_000
    assert observations["scheduling"] == {("real_time", "SCHED_FIFO 20, memory locked")}


def test_the_unit_can_open_its_devices_and_no_others(observations):
    assert observations["opens"] == [True, True, False]


def test_a_device_that_the_unit_forbids_to_root_is_found_forbidden(observations):
    assert observations["forbidden"] == [FOREIGN]


def test_the_unit_can_write_its_journal_but_not_the_system(observations):
    assert observations["writes"] == [True, True, False, False]


def test_a_service_that_hangs_is_restarted(observations):
    assert observations["restarted after"] == pytest.approx(30 + 2, abs=2)
    assert observations["striking after a hang"]


def test_a_killed_service_restarts_and_continues_its_journal(observations):
    before, after = observations["rows"]
    assert not observations["healthy after a kill"]
    assert len(before) > 20
    assert after[: len(before)] == before
    assert len(after) > len(before)


def test_a_line_is_made_safe_also_when_a_restart_fails(observations):
    assert observations["line after a kill, and later"] == [False, True]


def test_a_stop_succeeds_and_leaves_the_line_safe(observations):
    assert observations["stopped"] == ("inactive", "success", True)
    assert observations["events"] == ["started"] * 4 + ["stopped"]

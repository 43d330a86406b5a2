"""Which chip a service takes its lines from, and what it says when it cannot."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import lgpio
import pytest
from header import Header
from press import SOON_S, STRIKE_G, Service, alarm, pressed
from users import NOBODY, open_to_all

pytestmark = pytest.mark.timeout(0)  # seconds of the guest's are not ours

TABLES = alarm("struck", 'gpio = "BOARD11"\nfail_safe = "off"')


@contextmanager
def chips(*labels):
    """Have chips with these labels, numbered in this order."""
    with ExitStack() as stack:
        headers = []
        for label in labels:
            headers.append(Header(label=label))
            stack.callback(headers[-1].close)
        yield headers


@contextmanager
def running(service):
    try:
        yield
    finally:
        service.process.kill()
        service.process.wait()


@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_pi_5s_header_is_found_by_its_label_whatever_its_number(tmp_path, place):
    labels = ["gpio-brcmstb@107d508500", "raspberrypi-exp-gpio", "other", "another"]
    labels.insert(place, "pinctrl-rp1")
    service = Service(tmp_path, TABLES)
    with chips(*labels) as headers, pressed() as press:
        assert headers[place].chip == f"gpiochip{place}"
        press.g = STRIKE_G
        service.start()
        with running(service):
            service.says("struck: unknown → alarm")
            time.sleep(SOON_S)
            driven = [header.level(17) for header in headers]
    assert driven == [number == place for number in range(5)]


def test_a_line_is_made_safe_whatever_somebodys_board_is(tmp_path):
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "mine.toml").write_text("no board")
    service = Service(tmp_path, TABLES)
    with chips("other", "pinctrl-bcm2711"):
        ended = subprocess.run(
            [sys.executable, "-m", "sensorml", "safe", service.folder / "lab.toml"],
            env={**os.environ, "CONFIGURATION_DIRECTORY": str(tmp_path)},
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
    assert (ended.returncode, ended.stdout) == (0, "GPIO BOARD11: low\n")
    assert "boards/mine.toml: " in ended.stderr


def test_a_line_that_another_program_holds_is_named_with_that_program(tmp_path):
    service = Service(tmp_path, TABLES)
    with chips("other", "pinctrl-bcm2711"), held(chip=1, line=17):
        service.start()
        assert service.process.wait(30) == 1
    assert 'GPIO BOARD11: GPIO busy, "lg" has it: ' in service.log


@contextmanager
def held(*, chip, line):
    handle = lgpio.gpiochip_open(chip)
    try:
        lgpio.gpio_claim_output(handle, line)
        yield
    finally:
        lgpio.gpiochip_close(handle)


def checked(folder):
    """Return what `sensorml check` warns of."""
    check = [sys.executable, "-m", "sensorml", "check", "lab.toml"]
    run = subprocess.run(check, cwd=folder, capture_output=True, text=True, check=True)
    *warnings, good = run.stderr.splitlines()
    assert good.endswith("1 sensor, 1 model, 1 alarm, 0 sinks")
    return [line.removeprefix("warning: lab.toml: ") for line in warnings]


@pytest.mark.parametrize(
    ("line", "said"),
    [("17", "GPIO line 17"), ("label:GPIO17", "the GPIO line GPIO17")],
)
def test_check_names_who_holds_a_line_and_takes_none(tmp_path, line, said):
    Service(tmp_path, alarm("struck", f'gpio = "{line}"'))
    with chips("pinctrl-bcm2711"), pressed():
        with held(chip=0, line=17):
            [told] = checked(tmp_path)
        with held(chip=0, line=18):
            assert checked(tmp_path) == []
    assert told.startswith(f'alarm[0].gpio: {said} is held by "lg": ')


def test_check_misses_what_is_not_there(tmp_path):
    Service(tmp_path, alarm("struck", "gpio = 58"))
    with chips("pinctrl-bcm2711"):
        bus, line = checked(tmp_path)
    assert bus.startswith("sensor[0].bus: there is no i2c-1 on this machine, ")
    assert line.startswith("alarm[0].gpio: there is no GPIO line 58 on this machine: ")


def test_a_user_without_access_is_told_of_the_group(tmp_path):
    service = Service(tmp_path, TABLES)
    open_to_all(tmp_path)
    with chips("other", "pinctrl-bcm2711"), pressed():
        service.start(user=NOBODY)
        assert service.process.wait(30) == 1
        denied = "no access to /dev/gpiochip1: add this user to the group gpio"
        assert denied in service.log
        Path("/dev/gpiochip1").chmod(0o666)
        service.start(user=NOBODY)
        with running(service):
            service.says("press: starting → denied")
    assert "i2c" in service.log

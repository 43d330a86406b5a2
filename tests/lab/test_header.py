"""The GPIO chip that a service uses, and its errors without access to one."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import lgpio
import pytest
from header import Header
from press import SETTLE_S, STRIKE_G, Service, alarm, press_on_bus
from users import NOBODY, grant_access

pytestmark = pytest.mark.timeout(0)  # it would measure the guest's virtual time

TABLES = alarm("struck", 'gpio = "BOARD11"\nfail_safe = "off"')


@contextmanager
def chips(*labels):
    """Create chips with these labels, numbered in this order."""
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


@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_pi_5_header_is_found_by_its_label_at_any_number(tmp_path, number):
    labels = ["gpio-brcmstb@107d508500", "raspberrypi-exp-gpio", "other", "another"]
    labels.insert(number, "pinctrl-rp1")
    service = Service(tmp_path, TABLES)
    with chips(*labels) as headers, press_on_bus() as press:
        assert headers[number].chip == f"gpiochip{number}"
        press.g = STRIKE_G
        service.start()
        with running(service):
            service.wait_for_log("struck: unknown → alarm")
            time.sleep(SETTLE_S)
            driven = [header.level(17) for header in headers]
    assert driven == [other == number for other in range(5)]


def test_a_line_is_made_safe_despite_an_invalid_board_file(tmp_path):
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "mine.toml").write_text("no board")
    service = Service(tmp_path, TABLES)
    with chips("other", "pinctrl-bcm2711"):
        safe = subprocess.run(
            [sys.executable, "-m", "sensorml", "safe", service.folder / "lab.toml"],
            env={**os.environ, "CONFIGURATION_DIRECTORY": str(tmp_path)},
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
    assert (safe.returncode, safe.stdout) == (0, "GPIO BOARD11: low\n")
    assert "boards/mine.toml: " in safe.stderr


def test_an_error_names_the_program_that_holds_a_line(tmp_path):
    service = Service(tmp_path, TABLES)
    with chips("other", "pinctrl-bcm2711"), held(chip=1, line=17):
        service.start()
        assert service.process.wait(30) == 1
    assert 'GPIO BOARD11: busy, held by "lg": ' in service.log


@contextmanager
def held(*, chip, line):
    """Hold a line as another program does."""
    handle = lgpio.gpiochip_open(chip)
    try:
        lgpio.gpio_claim_output(handle, line)
        yield
    finally:
        lgpio.gpiochip_close(handle)


def check_warnings(folder):
    """Return the warnings of `sensorml check`."""
    command = [sys.executable, "-m", "sensorml", "check", "lab.toml"]
    run = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True
    )
    *warnings, summary = run.stderr.splitlines()
    assert summary.endswith("1 sensor, 1 model, 1 alarm, 0 sinks")
    return [line.removeprefix("warning: lab.toml: ") for line in warnings]


@pytest.mark.parametrize(
    ("line", "named"),
    [("17", "GPIO line 17"), ("label:GPIO17", "the GPIO line GPIO17")],
)
def test_check_warns_of_a_held_line_and_holds_none_itself(tmp_path, line, named):
    Service(tmp_path, alarm("struck", f'gpio = "{line}"'))
    with chips("pinctrl-bcm2711"), press_on_bus():
        with held(chip=0, line=17):
            [warning] = check_warnings(tmp_path)
        with held(chip=0, line=18):
            assert check_warnings(tmp_path) == []
    assert warning.startswith(f'alarm[0].gpio: {named} is held by "lg": ')


def test_check_warns_of_a_missing_bus_and_line(tmp_path):
    Service(tmp_path, alarm("struck", "gpio = 58"))
    with chips("pinctrl-bcm2711"):
        bus, line = check_warnings(tmp_path)
    assert bus.startswith("sensor[0].bus: there is no i2c-1 on this machine, ")
    assert line.startswith("alarm[0].gpio: there is no GPIO line 58 on this machine: ")


def test_a_user_without_access_is_given_the_group_in_the_error(tmp_path):
    service = Service(tmp_path, TABLES)
    grant_access(tmp_path)
    with chips("other", "pinctrl-bcm2711"), press_on_bus():
        service.start(user=NOBODY)
        assert service.process.wait(30) == 1
        denied = "no access to /dev/gpiochip1: add this user to the group gpio"
        assert denied in service.log
        Path("/dev/gpiochip1").chmod(0o666)
        service.start(user=NOBODY)
        with running(service):
            service.wait_for_log("press: starting → denied")
    assert "i2c" in service.log

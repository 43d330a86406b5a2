"""The service with an accelerator whose library fails as its options say.

The library is built from tests/delegate. A file in the user's own folder delegates/
describes it, as for any device that sensorml does not ship.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys

import pytest
from delegate import pair
from delegate.site import WINDOW, Site, children, wait_for_rows
from processes import sensorml, start, stop, wait_for_line

from sensorml.pipeline.model_card import EDGETPU_FILE
from sensorml.pipeline.model_files import sha256


@pytest.fixture
def site(tmp_path, library):
    return Site(tmp_path, library)


def test_a_killed_child_costs_no_window_and_is_started_again(site):
    site.delegate()
    process = start("run", site.config(site.model()), **site.environ)
    wait_for_line(process, "opening → accelerated: stick agrees with the CPU")
    wait_for_rows(site, "stick")
    [child] = children(process)
    os.kill(child, signal.SIGKILL)
    lost = wait_for_line(process, "accelerated → degraded")[-1]
    assert "its process died of SIGKILL" in lost
    wait_for_line(process, "degraded → accelerated")
    code, log = stop(process)
    assert code == 0, log
    assert site.runs() == [("cpu", 1), ("stick", 0)] * 2
    expected = ["opening", "accelerated", "degraded", "accelerated"]
    assert site.states() == expected


def test_a_library_that_hangs_while_it_opens_delays_nothing(site):
    site.delegate(create="hang")
    process = start("run", site.config(site.model()), **site.environ)
    wait_for_line(process, "delegate m: opening")
    while not children(process):
        pass
    wait_for_rows(site, "cpu")
    code, log = stop(process)
    assert code == 0, log
    assert site.runs() == [("cpu", 1)]
    assert site.states() == ["opening"]


def test_a_window_that_hangs_is_scored_on_the_cpu(site):
    site.delegate(invoke="hang", after="30")
    process = start("run", site.config(site.model()), **site.environ)
    lost = wait_for_line(process, "accelerated → degraded")[-1]
    assert "no answer within 1 s while it ran a window" in lost
    assert "switch its power off and on; if that does not help, build it" in lost
    code, log = stop(process)
    assert code == 0, log
    assert site.runs() == [("cpu", 1), ("stick", 0), ("cpu", 1)]


def test_a_library_with_other_outputs_never_takes_over(site):
    site.delegate(invoke="wrong")
    process = start("run", site.config(site.model()), **site.environ)
    refused = wait_for_line(process, "opening → refused")[-1]
    assert "its outputs differ from the CPU's" in refused
    assert stop(process)[0] == 0
    assert site.runs() == [("cpu", 1)]


def test_a_library_that_becomes_too_slow_is_closed(site):
    site.delegate(invoke="slow", after="100")  # 20 ms
    process = start("run", site.config(site.model(hop=2)), **site.environ)
    lost = wait_for_line(process, "accelerated → degraded")[-1]
    assert "a new one every 2.5 ms: train the model with a larger hop" in lost
    assert stop(process)[0] == 0
    delays_s = [row["delay_ns"] / 1e9 for row in site.rows("predictions")]
    assert max(delays_s) < 10  # so they do not grow


@pytest.mark.parametrize("fallback", [False, True])
def test_a_delegate_that_cannot_be_used_stops_the_start_without_a_fallback(
    site, fallback
):
    site.delegate('usb = ["ffff:0001"]')
    keys = 'delegate = "stick"' + ('\nfallback = "cpu"' if fallback else "")
    config = site.config(site.model(keys=keys), pace="fast")
    run = sensorml("run", config, **site.environ)
    if fallback:
        assert run.returncode == 0, run.stderr
        assert site.runs() == [("cpu", 1)]
        assert site.states() == ["refused"]
        [event] = [r for r in site.rows("events") if r["state"] == "refused"]
        assert "stick: no USB device ffff:0001" in event["detail"]
        return
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert "cannot run on stick" in run.stderr
    lines = {line.split()[0]: line for line in run.stderr.splitlines()[1:]}
    assert {"cpu", "edgetpu-usb", "edgetpu-pci", "stick"} <= lines.keys()
    assert "device   no USB device ffff:0001: plug it in" in lines["stick"]
    assert "usable" in lines["cpu"]
    assert not (site.folder / "journal.db").exists()


def test_a_compiled_file_of_another_model_is_refused_before_it_is_opened(site):
    site.delegate(create="hang")
    model = site.model()
    other = site.folder / "m" / EDGETPU_FILE
    before = sha256(other)
    other.write_bytes(pair.compiled_model(WINDOW + 1))
    card = site.folder / "m" / "model.toml"
    card.write_text(card.read_text().replace(before, sha256(other)))
    run = sensorml("run", site.config(model, pace="fast"), **site.environ)
    assert run.returncode == 1
    assert "takes 17 values" in run.stderr
    assert "model    " in run.stderr


def test_two_models_on_one_device_share_a_process(site):
    site.delegate()
    config = site.config(site.model("m"), site.model("n"))
    process = start("run", config, **site.environ)
    line = wait_for_line(process, "opening → accelerated")[-1]
    first = "m" if "delegate m:" in line else "n"
    wait_for_line(process, f"delegate {'n' if first == 'm' else 'm'}: opening → acc")
    wait_for_rows(site, "stick", models=2)
    [child] = children(process)
    os.kill(child, signal.SIGKILL)
    for _ in "mn":
        wait_for_line(process, "accelerated → degraded")
    for _ in "mn":
        wait_for_line(process, "degraded → accelerated")
    assert len(children(process)) == 1
    assert stop(process)[0] == 0
    for name in "mn":
        assert site.runs(name) == [("cpu", 1), ("stick", 0)] * 2


def test_two_models_on_two_devices_have_separate_processes(site):
    site.delegate(device="usb:0")
    models = [
        site.model("m"),
        site.model("n", 'delegate = "stick"\ndevice = "usb:1"'),
    ]
    process = start("run", site.config(*models), **site.environ)
    wait_for_rows(site, "stick", models=2)
    both = children(process)
    assert len(both) == 2
    os.kill(both[0], signal.SIGKILL)
    lost = wait_for_line(process, "accelerated → degraded")[-1]
    alone = "n" if "delegate m:" in lost else "m"
    wait_for_line(process, "degraded → accelerated")
    assert both[1] in children(process)
    assert stop(process)[0] == 0
    assert site.runs(alone) == [("cpu", 1), ("stick", 0)]


@pytest.mark.parametrize(
    ("options", "why", "cure"),
    [
        ({"create": "null"}, "does not open", "check that the device is present"),
        ({"create": "segv"}, "SIGSEGV while it opened", "build it"),
        ({"prepare": "fail"}, "failed to prepare", "compile the model again"),
        ({"prepare": "corrupt"}, "SIGABRT while it opened", "build it"),
        ({"invoke": "slow"}, "a new one every 20 ms", "a larger hop"),
        ({"invoke": "exit"}, "exit code 3 while it opened", "switch its power off"),
        ({"invoke": "fail"}, "Failed to execute request", "switch its power off"),
    ],
)
def test_an_event_has_a_reason_and_a_cure(site, options, why, cure):
    site.delegate(**options)
    process = start("run", site.config(site.model()), **site.environ)
    wait_for_line(process, "opening → refused")
    assert stop(process)[0] == 0
    [event] = [row for row in site.rows("events") if row["state"] == "refused"]
    _, _, end = event["detail"].partition(why)
    assert cure in end


def test_auto_measures_once_and_keeps_the_decision(site):
    site.delegate(invoke="slow")  # 20 ms a window: the CPU is faster
    config = site.config(site.model(keys='delegate = "auto"'))
    process = start("run", config, **site.environ)
    line = wait_for_line(process, "opening → cpu: auto: cpu p95")[-1]
    assert "stick p95" in line
    assert stop(process)[0] == 0
    assert site.runs() == [("cpu", 0)]
    process = start("run", config, **site.environ)
    wait_for_line(process, "as measured earlier")
    assert children(process) == []
    assert stop(process)[0] == 0
    site.delegate(invoke="slow", after="1")  # other options make it another delegate
    process = start("run", config, **site.environ)
    wait_for_line(process, "opening → cpu: auto: cpu p95")
    assert stop(process)[0] == 0


def test_the_children_of_a_killed_service_die_with_it(site):
    site.delegate()
    process = start("run", site.config(site.model()), **site.environ)
    wait_for_line(process, "opening → accelerated")
    child = os.pidfd_open(children(process)[0])
    process.kill()
    process.communicate()
    with os.fdopen(child):
        assert select.select([child], [], [], 60)[0], "the child still runs"


IMPORTS = """
import sys
from sensorml.cli import main
sys.argv = ["sensorml", *sys.argv[1:]]
assert main() == 0
unwanted = ("child_engine", "child_main", "failover", "auto", "device", "child_process")
print(*(n for n in unwanted if f"sensorml.delegates.{n}" in sys.modules))
"""


@pytest.mark.parametrize("keys", ['delegate = "auto"', 'delegate = "cpu"'])
def test_a_start_on_the_cpu_imports_nothing_for_accelerators(site, keys):
    site.delegate('usb = ["ffff:0001"]')
    config = site.config(site.model(keys=keys), pace="fast")
    run = subprocess.run(
        [sys.executable, "-c", IMPORTS, "run", config],
        env=os.environ | site.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == ""
    assert site.runs() == [("cpu", 0)]


def test_recordings_are_scored_on_the_named_delegate(site):
    site.delegate()
    site.model()
    score = (
        "score",
        "--model",
        site.folder / "m",
        site.folder / "healthy.npz",
    )
    on_cpu = sensorml(*score, **site.environ)
    on_stick = sensorml(*score, "--delegate", "stick", **site.environ)
    assert on_stick.returncode == 0, on_stick.stderr
    assert on_stick.stdout == on_cpu.stdout
    summary = sensorml(*score, "--delegate", "stick", "--json", **site.environ)
    assert json.loads(summary.stdout)["delegate"] == "stick"
    wrong = sensorml(*score, "--delegate", "stik", **site.environ)
    assert wrong.returncode == 1
    assert "did you mean stick?" in wrong.stderr

"""Foreign code is asked in a process of its own, and may do there what it likes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sensorml.commands.probe.software import Software
from sensorml.delegates import isolated as outside
from sensorml.delegates import libraries

LABEL = "BuildLabel(COMPILER=12.2.0,DATE=redacted,TIME=redacted), RuntimeVersion(14)"
LIBRARIES = {
    "versioned": f'const char *edgetpu_version(void) {{ return "{LABEL}"; }}',
    "plain": "int nothing;",
    "crash": "__attribute__((constructor)) void f(void) { *(volatile int *)8 = 0; }",
}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("libraries")
    for name, text in LIBRARIES.items():
        source = folder / f"{name}.c"
        source.write_text(text)
        command = ["gcc", "-shared", "-fPIC", "-o", folder / f"{name}.so", source]
        subprocess.run(command, check=True)
    return folder


def test_libedgetpu_says_its_version_and_others_say_nothing(built: Path):
    assert libraries.load(built / "versioned.so") == (LABEL, None)
    assert libraries.load(built / "plain.so") == ("", None)


def test_a_library_that_crashes_when_it_is_loaded_is_a_reason(built: Path):
    why_not = libraries.load(built / "crash.so").why_not

    assert why_not == "its process dies of SIGSEGV"


def test_a_file_that_is_no_library_or_not_there_is_a_reason(tmp_path: Path):
    (tmp_path / "text.so").write_text("not a library")

    assert "text.so" in (libraries.load(tmp_path / "text.so").why_not or "")
    assert libraries.load(tmp_path / "none.so").why_not == "No such file or directory"


def test_a_library_that_was_replaced_is_loaded_again(built: Path, tmp_path: Path):
    place = tmp_path / "libedgetpu.so.1"
    shutil.copy(built / "plain.so", place)
    assert libraries.load(place).text == ""
    place.unlink()
    shutil.copy(built / "versioned.so", place)

    assert libraries.load(place).text == LABEL


def script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "script.py"
    path.write_text(text)
    return path


def test_a_script_that_does_not_end_is_killed(tmp_path: Path):
    endless = script(tmp_path, "import signal\nsignal.pause()\n")

    assert outside.ask(endless, answer_s=0.2).why_not == (
        "it does not answer for 0.2 s"
    )


def test_a_script_that_fails_in_silence_is_still_a_reason(tmp_path: Path):
    assert outside.ask(script(tmp_path, "raise SystemExit(3)")).why_not


def pycoral(site: Path, listing: str) -> None:
    """Put a package like Google's where Python looks for packages."""
    utils = site / "pycoral/utils"
    utils.mkdir(parents=True)
    info = site / "pycoral-2.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: pycoral\nVersion: 2.0.0\n")
    for package in (utils, utils.parent):
        (package / "__init__.py").touch()
    (utils / "edgetpu.py").write_text(listing)


def test_googles_pycoral_is_asked_what_it_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    found = "[{'type': 'usb', 'path': '/sys/bus/usb/devices/2-2'}]"
    pycoral(tmp_path, f"def list_edge_tpus():\n    return {found}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)

    software = Software.gather()

    assert software.pycoral_is_google
    assert software.pycoral_sees == ("usb /sys/bus/usb/devices/2-2",)


def test_a_pycoral_that_does_not_import_is_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pycoral(tmp_path, "import _pywrap_coral_of_another_python\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)

    (seen,) = Software.gather().pycoral_sees

    assert "_pywrap_coral_of_another_python" in seen

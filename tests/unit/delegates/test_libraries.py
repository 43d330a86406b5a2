"""A library is loaded in a separate process, which may crash or hang."""

import shutil
import subprocess
from pathlib import Path

import pytest

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


def test_libedgetpu_has_a_version_and_other_libraries_have_none(built: Path):
    assert libraries.load(built / "versioned.so") == (LABEL, None)
    assert libraries.load(built / "plain.so") == ("", None)


def test_a_library_that_crashes_is_a_reason(built: Path):
    why_not = libraries.load(built / "crash.so").why_not

    assert why_not == "the process that loads it is killed by SIGSEGV"


def test_a_file_that_is_missing_or_no_library_is_a_reason(tmp_path: Path):
    (tmp_path / "text.so").write_text("not a library")

    assert "text.so" in (libraries.load(tmp_path / "text.so").why_not or "")
    assert libraries.load(tmp_path / "none.so").why_not == "No such file or directory"


def test_a_library_that_was_replaced_is_loaded_again(built: Path, tmp_path: Path):
    path = tmp_path / "libedgetpu.so.1"
    shutil.copy(built / "plain.so", path)
    assert libraries.load(path).version == ""
    path.unlink()
    shutil.copy(built / "versioned.so", path)

    assert libraries.load(path).version == LABEL


def script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "script.py"
    path.write_text(text)
    return path


def test_a_script_that_does_not_end_is_killed(tmp_path: Path):
    endless = script(tmp_path, "import signal\nsignal.pause()\n")

    result = libraries.run_loader(endless, "", load_s=0.2)

    assert result.why_not == "no answer for 0.2 s"


def test_a_script_that_fails_without_output_is_a_reason(tmp_path: Path):
    silent = script(tmp_path, "raise SystemExit(3)")

    assert libraries.run_loader(silent, "").why_not == "no reason is given"

"""The command line: commands are found by their files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sensorml import cli, commands

GREET = '''"""Greet a person."""

def add_arguments(parser):
    parser.add_argument("name")

def run(args):
    print("hello", args.name)
    return 0
'''


@pytest.fixture
def greet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "say_hello.py").write_text(GREET)
    (tmp_path / "_shared.py").write_text("")
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "sensorml.commands.say_hello", raising=False)


def test_a_command_is_one_file_and_may_have_a_hyphen(
    greet: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["say-hello", "Ana"]) == 0
    assert capsys.readouterr().out == "hello Ana\n"


def test_the_help_lists_every_command_with_its_first_line(
    greet: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert "say-hello Greet a person." in " ".join(text.split())
    assert "shared" not in text
    for name in ("check", "export", "grafana", "probe", "record", "run", "safe"):
        assert f"    {name} " in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["frob"], "invalid choice: 'frob'"),
        (["--no-such-option", "run"], "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    assert message in capsys.readouterr().err


def test_help_and_version_import_no_command() -> None:
    program = """if True:
        import sys
        from sensorml import cli
        for option in ("--help", "--version"):
            try:
                cli.main([option])
            except SystemExit:
                pass
        sys.exit(any(name.startswith("sensorml.commands.") for name in sys.modules))
    """
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)

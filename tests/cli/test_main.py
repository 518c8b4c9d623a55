"""The command itself: help, version, exit codes, start-up."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rehub
from rehub.cli.main import main


def _exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("--help") == 0

    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in ("demo", "resolve", "serve"))


@pytest.mark.parametrize("command", ["demo", "resolve", "serve"])
def test_help_describes_each_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(command, "-h") == 0

    assert f"Usage: rehub {command}" in capsys.readouterr().out


def test_version_prints_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("--version") == 0

    assert capsys.readouterr().out == f"rehub {rehub.__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("nothing",), ("resolve",), ("serve",), ("serve", ".", "--port", "70000")])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(*arguments) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: rehub" in err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from rehub.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "click" in loaded
    assert not loaded & {"tensorflow", "numpy", "keras", "rich", "tqdm", "urllib3", "starlette", "granian", "google"}


def test_module_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "rehub", "--version"], capture_output=True, text=True, check=True)

    assert done.stdout == f"rehub {rehub.__version__}\n"

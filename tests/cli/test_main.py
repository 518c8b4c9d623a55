"""The command itself: help, version, exit codes, start-up."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import rehub
from rehub.cli.main import main
from rehub.errors import HubError

COMMANDS = (
    "cache",
    "cache export",
    "cache import",
    "cache list",
    "cache prune",
    "cache remove",
    "cache show",
    "cache verify",
    "compare",
    "convert",
    "completion",
    "demo",
    "doctor",
    "download",
    "inspect",
    "lock",
    "login",
    "logout",
    "publish",
    "publish card",
    "publish check",
    "publish pack",
    "publish push",
    "publish text-embeddings",
    "resolve",
    "serve",
    "serve collection",
    "serve gc",
    "serve publisher",
    "serve remove",
    "serve token",
    "serve token create",
    "serve token list",
    "serve token revoke",
)


def _exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("--help") == 0

    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS if " " not in name)
    assert "..." not in out.partition("Commands:")[2], "a description is cut off"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_describes_each_command_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(*command.split(), "-h") == 0

    out = capsys.readouterr().out
    assert f"Usage: rehub {command}" in out
    assert f"Examples:\n    rehub {command}" in out or f"rehub {command} " in out.partition("Examples:")[2]
    assert max(map(len, out.splitlines())) <= 100


def test_version_prints_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("--version") == 0

    assert capsys.readouterr().out == f"rehub {rehub.__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("nothing",), ("resolve",), ("serve", ".", "--port", "70000")])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(*arguments) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: rehub" in err


@pytest.mark.parametrize(("arguments", "meant"), [(("reslove",), "resolve"), (("cache", "remvoe"), "remove")])
def test_misspelled_command_is_told_which_one_is_meant(
    arguments: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code(*arguments) == 2

    assert f"Is '{meant}' meant?" in capsys.readouterr().err


def _defect(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(handle: str) -> str:
        raise LookupError("no such thing")

    monkeypatch.setattr("rehub.resolvers.chain.resolve", broken)


def test_unexpected_error_is_one_line_and_says_how_to_see_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _defect(monkeypatch)

    assert _exit_code("resolve", "x") == 1

    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: LookupError: no such thing"
    assert "REHUB_TRACEBACK=1" in second


@pytest.mark.parametrize("by_variable", [False, True])
def test_traceback_is_shown_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, *, by_variable: bool) -> None:
    _defect(monkeypatch)
    if by_variable:
        monkeypatch.setenv("REHUB_TRACEBACK", "1")

    with pytest.raises(LookupError):
        main([*(() if by_variable else ("--traceback",)), "resolve", "x"])


def test_warnings_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def warn(handle: str) -> str:
        warnings.warn("take care", stacklevel=2)
        logging.getLogger("rehub").warning("once %s", "more")
        return handle

    monkeypatch.setattr("rehub.resolvers.chain.resolve", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert _exit_code("resolve", "x") == 0

    assert capsys.readouterr() == ("x\n", "warning: take care\nwarning: once more\n")


def test_text_of_strangers_is_told_without_what_a_terminal_obeys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(handle: str) -> str:
        logging.getLogger("rehub").warning("\x1b]0;owned\x07")
        raise HubError("\x1b[2Jfirst\nsecond", hint="\x9b31m …")

    monkeypatch.setattr("rehub.resolvers.chain.resolve", refuse)
    assert _exit_code("resolve", "x") == 1

    assert capsys.readouterr().err.splitlines() == [
        r"warning: \x1b]0;owned\x07",
        r"error: \x1b[2Jfirst",
        "second",
        r"hint: \x9b31m …",
    ]


@pytest.mark.parametrize("arguments", [("--help",), ("doctor", "--help"), ("doctor",), ("doctor", "--json")])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_full_disk_is_one_line(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "rehub", *arguments], stdout=full, stderr=-1, text=True)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: the output cannot be written: No space left on device.",
        "hint: Make space, or send it elsewhere.",
    ]


def _in_latin(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rehub", *arguments],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252", **environment},
    )
    assert b"rehub did not expect" not in done.stderr
    return done.stdout.decode("cp1252")


def test_output_spells_out_what_its_encoding_lacks() -> None:
    assert "Grüße, \\u4f60" in _in_latin("doctor", TFHUB_CACHE_DIR="Grüße, 你")


def test_output_is_json_when_its_encoding_lacks_a_letter() -> None:
    report = json.loads(_in_latin("doctor", "--json", TFHUB_CACHE_DIR="é 😀"))

    assert report["sections"]["settings"]["TFHUB_CACHE_DIR"] == "é 😀"


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


@pytest.mark.parametrize(
    "moment",
    [
        "sys.addaudithook(lambda event, values: (event, values[:1]) == ('import', ('click',)) and interrupt())",
        "atexit.register(interrupt)",
    ],
    ids=["import", "end"],
)
def test_interrupt_leaves_no_traceback_before_and_after_a_command(moment: str) -> None:
    code = (
        "import atexit, os, runpy, signal, sys\n"
        "interrupt = lambda: os.kill(os.getpid(), signal.SIGINT)\n"
        f"{moment}\n"
        "runpy.run_module('rehub', run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (130, "")


def test_closed_output_ends_no_command() -> None:
    command = f"exec {sys.executable} -m rehub inspect {Path(__file__).parents[1] / 'data' / 'tf1_hub' / 'rich'} >&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")

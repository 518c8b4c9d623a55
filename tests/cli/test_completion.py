"""``rehub completion``: scripts for shells, and what they complete."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rehub.server import EmbeddedHub
from tests.cli import command


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with the command by its name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "rehub").write_text(f'#!/bin/sh\nexec {sys.executable} -m rehub "$@"\n')
    (folder / "rehub").chmod(0o755)
    return folder


def _bash(tools: Path, cache: Path, line: str) -> list[str]:
    """Returns what bash would offer to put in place of the word that it sees at the end of a line."""
    script = (
        'eval "$(rehub completion bash)"; COMP_LINE=$1; COMP_POINT=${#1}; _rehub_completion rehub; '
        'if [ ${#COMPREPLY[@]} -gt 0 ]; then printf "%s\\n" "${COMPREPLY[@]}"; fi'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", line],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "TFHUB_CACHE_DIR": str(cache)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_options_and_cached_handles(tools: Path, hub: EmbeddedHub, cache: Path) -> None:
    command.run(cache, "resolve", f"{hub.url}/acme/net/1", f"{hub.url}/acme/net/2")
    port = hub.url.rpartition(":")[2]

    assert _bash(tools, cache, "rehub do") == ["download", "doctor"]
    assert _bash(tools, cache, "rehub cache ") == ["list", "show", "verify", "remove", "prune", "export", "import"]
    assert _bash(tools, cache, "rehub cache prune --old") == ["--older-than"]
    assert _bash(tools, cache, "rehub cache show ht") == [f"{hub.url}/acme/net/1", f"{hub.url}/acme/net/2"]
    # bash takes a colon for the end of a word: only what follows it is put in place
    assert _bash(tools, cache, f"rehub download {hub.url}/acme/net/2") == [f"{port}/acme/net/2"]
    assert _bash(tools, cache, "rehub cache remove https:") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_prints_a_script_for_other_shells(cache: Path, shell: str) -> None:
    code, out, _ = command.run(cache, "completion", shell)

    assert code == 0
    assert f"_REHUB_COMPLETE={shell}_complete" in out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=out, text=True, check=True, timeout=60)


def test_completion_refuses_other_shells(cache: Path) -> None:
    assert command.run(cache, "completion", "cmd")[0] == 2


def test_completion_offers_nothing_when_the_cache_cannot_be_read(tmp_path: Path) -> None:
    code, out, err = command.run(
        tmp_path,
        TFHUB_CACHE_DIR="gs://bucket/cache",
        _REHUB_COMPLETE="bash_complete",
        COMP_WORDS="rehub resolve h",
        COMP_CWORD="2",
    )

    assert (code, out.strip(), err) == (0, "", "")

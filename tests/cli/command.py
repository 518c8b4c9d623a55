"""The command as a process, and models that it meets."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from rehub.cli.main import main
from tests import sample


def start(cache: Path, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rehub", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TFHUB_CACHE_DIR": str(cache), **environment},
    )


def run(cache: Path, *arguments: str | Path, **environment: str) -> tuple[int, str, str]:
    """Returns exit code, stdout and stderr."""
    process = start(cache, *arguments, **environment)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, out, err


def call(cache: Path, *arguments: str | Path, **environment: str) -> tuple[int, str, str]:
    """Does what `run` does in this process, and in a tenth of the time."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in {"TFHUB_CACHE_DIR": str(cache), **environment}.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


def publish(folder: Path, *versions: str) -> Path:
    """Writes versions of acme/net, as a hub serves them."""
    for version in versions:
        sample.write(folder / "acme" / "net" / version, {**sample.FILES, "assets/words.txt": version.encode()})
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return sample.read(folder)


def everything(folder: Path) -> set[str]:
    """Returns the names of all files and folders below."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}

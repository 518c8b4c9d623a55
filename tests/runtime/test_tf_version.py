"""What a user reads where TensorFlow is missing, broken or too old."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rehub

CALLS = {
    "load": "rehub.load({handle!r})",
    "layer": "rehub.KerasLayer({handle!r})",
}


def message(handle: Path, folder: Path, fake: str, call: str) -> str:
    """Runs a call in a process whose ``tensorflow`` is a module with the given text, and returns the error's fields."""
    (folder / "tensorflow.py").write_text(fake)
    program = f"""
import rehub
try:
    {CALLS[call].format(handle=str(handle))}
except ImportError as error:
    print(type(error).__module__, type(error).__name__, error.package, error.found, error.required, error, sep="|")
"""
    source = Path(rehub.__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", "import sys\n" + program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(source)])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return result.stdout.strip()


@pytest.mark.parametrize("call", CALLS)
def test_missing_tensorflow_names_the_extra_to_install(half_plus_two: Path, tmp_path: Path, call: str) -> None:
    fake = "raise ModuleNotFoundError(\"No module named 'tensorflow'\", name='tensorflow')"
    text = message(half_plus_two, tmp_path, fake, call)

    assert text.startswith("rehub.errors|DependencyError|tensorflow||2.15|")
    assert "not installed" in text
    assert "pip install tensorflow" in text
    assert "extras" in text


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("version", ["1.15.5", "2.3.0", "2.14.1"])
def test_old_tensorflow_is_named_with_the_version_that_is_needed(
    half_plus_two: Path, tmp_path: Path, version: str, call: str
) -> None:
    text = message(half_plus_two, tmp_path, f"__version__ = {version!r}", call)

    assert text.startswith(f"rehub.errors|DependencyError|tensorflow|{version}|2.15|")
    assert f"TensorFlow {version} is installed, rehub needs 2.15 or newer." in text
    assert "--upgrade" in text


def test_broken_tensorflow_says_why_it_cannot_be_imported(half_plus_two: Path, tmp_path: Path) -> None:
    fake = "raise ImportError('libcuda.so.1: cannot open shared object file')"
    text = message(half_plus_two, tmp_path, fake, "load")

    assert text.startswith("rehub.errors|DependencyError|tensorflow||2.15|TensorFlow cannot be imported")
    assert "libcuda.so.1" in text

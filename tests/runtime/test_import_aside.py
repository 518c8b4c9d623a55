"""While a model is downloaded, TensorFlow is imported. Checked with modules that stand in for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rehub
from rehub.server import EmbeddedHub
from tests import sample

SAYS_WHERE = """
import sys, threading
print("imported", "here" if threading.current_thread() is threading.main_thread() else "aside")
sys.begun.set()
assert sys.may_end.wait(60)
print("import ends")
raise ImportError("it is broken")
"""

CALLS = """
import sys, threading
import rehub

sys.begun, sys.may_end = threading.Event(), threading.Event()


def progress(*_):
    assert sys.begun.wait(60)
    {happens}


try:
    with rehub.settings(progress=progress):
        {call}
except (KeyboardInterrupt, rehub.errors.HubError) as error:
    print(type(error).__name__, error)
sys.may_end.set()
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    sample.write(tmp_path / "models/acme/net/1")
    with EmbeddedHub(tmp_path / "models") as hub:
        yield f"{hub.url}/acme/net/1"


def said(folder: Path, call: str, happens: str = "sys.may_end.set()") -> list[str]:
    """What a process says that makes a call, and in which something happens while bytes come."""
    (folder / "tensorflow.py").write_text(SAYS_WHERE)
    done = subprocess.run(
        [sys.executable, "-c", CALLS.format(call=call, happens=happens)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), str(Path(rehub.__file__).parents[1])]),
            "TFHUB_CACHE_DIR": str(folder / "cache"),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_load_imports_tensorflow_while_it_downloads_and_tells_why_it_cannot(url: str, tmp_path: Path) -> None:
    imported, ends, error = said(tmp_path, f"rehub.load({url!r})")

    assert (imported, ends) == ("imported aside", "import ends")
    assert error.startswith("DependencyError TensorFlow cannot be imported: it is broken.")


def test_load_of_a_cached_model_imports_tensorflow_itself(url: str, tmp_path: Path) -> None:
    assert said(tmp_path, f"sys.begun.set(); rehub.resolve({url!r})") == []
    assert said(tmp_path, f"sys.may_end.set(); rehub.load({url!r})")[0] == "imported here"


def test_interrupt_of_a_download_does_not_wait_for_the_import(url: str, tmp_path: Path) -> None:
    imported, interrupted, ends = said(tmp_path, f"rehub.load({url!r})", "raise KeyboardInterrupt('now')")

    assert (imported, interrupted, ends) == ("imported aside", "KeyboardInterrupt now", "import ends")

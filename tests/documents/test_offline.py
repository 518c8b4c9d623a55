"""The commands of docs/offline.md bring models to where no network is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from rehub.server import EmbeddedHub
from tests import sample

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "offline.md").read_text(encoding="utf-8")
HANDLES = ("https://tfhub.dev/google/nnlm-en-dim128", "https://tfhub.dev/google/elmo/3")


def _run(script: str, folder: Path, cache: str) -> str:
    """Runs a block of the page, in which ``ssh HOST`` is another cache of this machine."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TFHUB_CACHE_DIR": str(folder / cache)}
    programs = (
        f'rehub() {{ "{sys.executable}" -m rehub "$@"; }}\n'
        f'python() {{ "{sys.executable}" "$@"; }}\n'
        f'ssh() {{ shift; TFHUB_CACHE_DIR="{folder / "far"}" "$@"; }}\n'
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", programs + script],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_commands_bring_the_models_of_a_lock_file_to_where_no_network_is(tmp_path: Path) -> None:
    lock, download, offline, carry = re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    for path in ("google/nnlm-en-dim128/2", "google/elmo/3"):
        sample.write(tmp_path / "hub" / path)

    with EmbeddedHub(tmp_path / "hub") as served:
        for handle in HANDLES:
            assert handle in TEXT
        here = [handle.replace("https://tfhub.dev", served.url) for handle in HANDLES]
        _run(lock.replace("https://tfhub.dev", served.url), tmp_path, "cache")
        _run(download, tmp_path, "cache")
        _run(carry.replace("https://tfhub.dev", served.url), tmp_path, "cache")
    (tmp_path / "program.py").write_text(f"import rehub\nfor handle in {here}:\n    print(rehub.resolve(handle))\n")
    printed = _run(offline, tmp_path, "elsewhere")

    folders = [tmp_path / line for line in printed.splitlines()]
    assert [folder.is_relative_to(tmp_path / "models") for folder in folders] == [True, True]
    assert folders[0].name == "2"
    assert [(folder / "saved_model.pb").is_file() for folder in folders] == [True, True]
    assert len(list((tmp_path / "far").rglob("saved_model.pb"))) == 2
    assert not (tmp_path / "elsewhere").exists()

"""The examples of docs/exporting.md print what their comments say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_examples_print_what_their_comments_say(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "exporting.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE))

    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == 8
    assert done.stdout.splitlines()[-len(promised) :] == promised
    exported = sorted(path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*/saved_model.pb"))
    pieces = ["classes", "decayed", "encoder", "linear", "piece", "scale", "scaled"]
    assert exported == sorted([*(f"{piece}/1" for piece in pieces), "encoder/2", "encoder/3"])

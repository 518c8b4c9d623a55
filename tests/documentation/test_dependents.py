"""The example of docs/dependents.md runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.documentation.pages import ROOT, text


def test_example_prints_the_version_that_programs_compare_with(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", text("docs/dependents.md"), flags=re.DOTALL | re.MULTILINE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.stdout == "0.16.1\n", done.stderr

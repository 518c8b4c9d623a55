"""``make soak`` works, and finds nothing in the seconds that a test may take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_soak_ends_without_corrupt_loads_and_leaks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "soak", "--seconds", "10"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ kills, .*\d+ cleaned, .*\d+ whole", done.stdout)

"""Tests that there is no time for are left out, and counted in the last line of the run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_tests_after_the_time_limit_are_left_out_and_counted() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "1", "tests/test_signature.py"]
    environment = {**os.environ, "CI": "true", "REHUB_TEST_UNTIL": "1", "PYTHONPATH": "src"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=True, timeout=300)

    assert re.match(r"=+ \d+ left out for lack of time in ", done.stdout.splitlines()[-1])

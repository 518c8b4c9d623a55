"""Promise: the part of the suite that is not slow has all pairs that the full product has."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

AXES = ("promise", "sample", "composition", "state")


COLLECT = """
import sys, pytest
for markers in ("not slow", ""):
    print("collected:")
    assert pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "-m", markers, sys.argv[1]]) == 0
"""


def _collect():
    """Promise, sample, composition and state of each test, read off its id: first of the fast ones, then of all."""
    command = [sys.executable, "-c", COLLECT, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ids = r"::(\w+)\[(\w+)-(\w+)-(\w+)\]$"
    return (re.findall(ids, part, re.MULTILINE) for part in done.stdout.split("collected:")[1:])


def _pairs(tests):
    return {pair for test in tests for pair in itertools.combinations(zip(AXES, test, strict=True), 2)}


def test_fast_part_has_all_pairs_of_the_full_product():
    fast, full = _collect()
    assert set(fast) < set(full)
    assert _pairs(fast) == _pairs(full)
    promises, _, compositions, states = map(set, zip(*full, strict=True))
    assert states == {"frozen", "trainable", "thawed", "refrozen"}
    assert {(p, c, s) for p, _, c, s in full} == set(itertools.product(promises, compositions, states))

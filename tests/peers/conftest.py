from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def half_plus_two() -> Path:
    """A Reusable SavedModel that computes 0.5 * x + 2."""
    return Path(__file__).parents[1] / "data" / "models" / "half_plus_two"

"""Models of each kind, as folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the user's own cache out of it."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def half_plus_two() -> Path:
    """A Reusable SavedModel of ``a * x + b`` with the variables a = 0.5 and b = 2."""
    return DATA / "models" / "half_plus_two"


@pytest.fixture
def lookup() -> Path:
    """A saved ``tf.Module`` with a vocabulary, ``embedding``, ``scale`` and signatures."""
    return DATA / "saved_models" / "module"


@pytest.fixture
def two_graphs() -> Path:
    """A SavedModel of TensorFlow 1 with the graphs ``serve`` and ``serve, gpu``: the sum of two columns."""
    return DATA / "saved_models" / "graphs"


@pytest.fixture
def tf1_hub() -> Path:
    """``half_plus_two`` in the TF1 Hub format."""
    return DATA / "tf1_hub" / "half_plus_two"


@pytest.fixture
def copied(half_plus_two: Path, tmp_path: Path) -> Path:
    """A copy of half_plus_two to be changed."""
    return Path(shutil.copytree(half_plus_two, tmp_path / "copied"))

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import rehub


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of the test's own, that does not exist yet, and no proxies."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with rehub.settings(cache_dir=str(tmp_path / "cache"), retries=2, timeout_s=5, show_progress=False):
        yield tmp_path / "cache"

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import rehub


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of the test's own, that does not exist yet, and neither proxies nor credentials."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("NETRC", "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REHUB_TOKEN", "REHUB_TOKEN_HOST", "REHUB_CREDENTIALS_FILE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("rehub.resolvers.bucket._PRODUCT", tmp_path / "none")  # this machine may be one of Google's
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with rehub.settings(cache_dir=str(tmp_path / "cache"), retries=2, timeout_s=5, show_progress=False):
        yield tmp_path / "cache"

"""Handles of the Hugging Face Hub where its client is not installed; `tests/hub` has those with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import rehub
from rehub.errors import DependencyError, HandleError, OfflineError


def test_resolve_says_how_the_client_is_installed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DependencyError, match=r"pip install \"rehub\[huggingface\]\"") as caught:
        rehub.resolve("hf://acme/net")
    assert caught.value.package == "huggingface_hub"
    assert not (cache / "hf").exists()


def test_resolve_offline_needs_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with rehub.settings(offline=True), pytest.raises(OfflineError, match="REHUB_OFFLINE"):
        rehub.resolve("hf://acme/net")


def test_resolve_refuses_a_data_set() -> None:
    with pytest.raises(HandleError, match="is in datasets"):
        rehub.resolve("hf://datasets/acme/words")

"""Resolvers that a program registers with tensorflow_hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest


class Named:
    """Resolves ``NAME:…`` to a folder, and notes what it was asked."""

    def __init__(self, name: str, folder: str) -> None:
        self.name = name
        self.folder = folder
        self.asked: list[str] = []

    def is_supported(self, handle: str) -> bool:
        return handle.startswith(f"{self.name}:")

    def __call__(self, handle: str) -> str:
        self.asked.append(handle)
        return self.folder


@pytest.fixture
def named(hub: Any, doubling: str) -> Named:
    resolver = Named("mine", doubling)
    hub.registry.resolver.add_implementation(resolver)
    return resolver


def test_load_asks_the_registered_resolver(hub: Any, named: Named) -> None:
    np.testing.assert_allclose(hub.load("mine:model")([1.0]), [2.0])
    assert named.asked == ["mine:model"]


def test_layer_asks_the_registered_resolver_and_keeps_its_handle(hub: Any, named: Named) -> None:
    layer = hub.KerasLayer("mine:model")
    np.testing.assert_allclose(layer([1.0]), [2.0])
    assert layer.get_config()["handle"] == "mine:model"


def test_resolve_leaves_other_handles_to_rehub(hub: Any, named: Named, tmp_path: Path) -> None:
    assert hub.resolve(str(tmp_path)) == str(tmp_path)
    assert named.asked == []


def test_resolver_that_was_added_last_is_asked_first(hub: Any, named: Named, tmp_path: Path) -> None:
    hub.registry.resolver.add_implementation(Named("mine", str(tmp_path)))
    assert hub.resolve("mine:model") == str(tmp_path)
    assert named.asked == []


def test_registry_itself_resolves(hub: Any, named: Named, tmp_path: Path) -> None:
    assert hub.registry.resolver("mine:model") == named.folder
    assert hub.registry.resolver(str(tmp_path)) == str(tmp_path)


def test_resolver_may_be_made_of_the_given_classes(hub: Any, doubling: str) -> None:
    class Private(hub.resolver.HttpResolverBase):
        def is_supported(self, handle: str) -> bool:
            return super().is_supported(handle) and "private.test" in handle

        def __call__(self, handle: str) -> str:
            return super().__call__(doubling)

    hub.registry.resolver.add_implementation(Private())
    assert hub.resolve("https://private.test/a/b/1") == doubling


def test_cleared_registry_resolves_nothing(hub: Any, tmp_path: Path) -> None:
    hub.registry.resolver.clear_implementations()
    with pytest.raises(RuntimeError, match=r"Missing implementation that supports: resolver\(\*\('.*',\), \*\*\{\}\)"):
        hub.resolve(str(tmp_path))


def test_registered_loader_reads_modules(hub: Any, named: Named) -> None:
    class Loader:
        def is_supported(self, path: str) -> bool:
            return path == named.folder

        def __call__(self, path: str) -> str:
            return f"spec of {path}"

    hub.registry.loader.add_implementation(Loader())
    assert hub.load_module_spec("mine:model") == f"spec of {named.folder}"

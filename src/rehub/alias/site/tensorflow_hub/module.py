"""Modules of the TF1 Hub format in a ``tf.Graph``."""

from __future__ import annotations

import os
from collections.abc import Callable

from rehub.tf1.evaluation import eval_function_for_module as eval_function_for_module
from rehub.tf1.module import Module as Module
from rehub.tf1.module_spec import ModuleSpec
from rehub.tf1.module_spec import load_module_spec as _load_module_spec
from tensorflow_hub import registry


def load_module_spec(path: str | os.PathLike[str]) -> ModuleSpec:
    """Reads a module; loaders that the program added to ``registry.loader`` are asked first.

    Raises:
        HubError: If there is none, or it is not in the TF1 Hub format.
    """
    if registry.loader._impls:
        folder = registry.resolver(os.fspath(path))
        if any(impl.is_supported(folder) for impl in registry.loader._impls):
            spec: ModuleSpec = registry.loader(folder)
            return spec
    return _load_module_spec(path)


def as_module_spec(spec: ModuleSpec | str | os.PathLike[str]) -> ModuleSpec:
    """Returns a module's spec: it is one, or a handle."""
    return spec if isinstance(spec, ModuleSpec) else load_module_spec(spec)


def export_module_spec(
    spec: ModuleSpec, path: str, checkpoint_path: str, name_transform_fn: Callable[[str], str] | None
) -> None:
    """Writes a module with variables from a checkpoint; see `ModuleSpec.export`."""
    spec.export(path, checkpoint_path=checkpoint_path, name_transform_fn=name_transform_fn)

"""rehub: the complete TensorFlow Hub on today's TensorFlow and Keras. Import it as ``hub``.

The names that need TensorFlow arrive on first use, so that ``import rehub`` is quick and needs none. `resolve` comes
with all that it needs for a model in the cache: the first one is there as soon as the others.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rehub import errors
from rehub.configuration import Settings, define_flags, settings
from rehub.resolvers.chain import resolve

if TYPE_CHECKING:
    from rehub.alias.install import install_as_tensorflow_hub
    from rehub.comparison.contest import compare
    from rehub.conversion.convert import convert
    from rehub.conversion.export import export
    from rehub.keras import KerasLayer
    from rehub.keras.feature_column import text_embedding_column_v2
    from rehub.model.model_info import ModelInfo
    from rehub.publish.slim import slim
    from rehub.resolvers.inspection import inspect
    from rehub.runtime.load import load
    from rehub.runtime.memo import clear_memo
    from rehub.tf1.builder import add_signature, attach_message, create_module_spec, create_module_spec_from_saved_model
    from rehub.tf1.evaluation import eval_function_for_module
    from rehub.tf1.exporters import LatestModuleExporter, register_module_for_export
    from rehub.tf1.feature_columns import image_embedding_column, sparse_text_embedding_column, text_embedding_column
    from rehub.tf1.images import (
        ImageModuleInfo,
        attach_image_module_info,
        get_expected_image_size,
        get_num_image_channels,
    )
    from rehub.tf1.module import Module
    from rehub.tf1.module_spec import ModuleSpec, load_module_spec

__version__ = "0.1.0"

__all__ = [
    "ImageModuleInfo",
    "KerasLayer",
    "LatestModuleExporter",
    "ModelInfo",
    "Module",
    "ModuleSpec",
    "Settings",
    "__version__",
    "add_signature",
    "attach_image_module_info",
    "attach_message",
    "clear_memo",
    "compare",
    "convert",
    "create_module_spec",
    "create_module_spec_from_saved_model",
    "errors",
    "eval_function_for_module",
    "export",
    "get_expected_image_size",
    "get_num_image_channels",
    "image_embedding_column",
    "inspect",
    "install_as_tensorflow_hub",
    "load",
    "load_module_spec",
    "register_module_for_export",
    "resolve",
    "settings",
    "slim",
    "sparse_text_embedding_column",
    "text_embedding_column",
    "text_embedding_column_v2",
]

_LAZY = {
    "ImageModuleInfo": "rehub.tf1.images",
    "KerasLayer": "rehub.keras",
    "LatestModuleExporter": "rehub.tf1.exporters",
    "ModelInfo": "rehub.model.model_info",
    "Module": "rehub.tf1.module",
    "ModuleSpec": "rehub.tf1.module_spec",
    "add_signature": "rehub.tf1.builder",
    "attach_image_module_info": "rehub.tf1.images",
    "attach_message": "rehub.tf1.builder",
    "clear_memo": "rehub.runtime.memo",
    "compare": "rehub.comparison.contest",
    "convert": "rehub.conversion.convert",
    "create_module_spec": "rehub.tf1.builder",
    "create_module_spec_from_saved_model": "rehub.tf1.builder",
    "eval_function_for_module": "rehub.tf1.evaluation",
    "export": "rehub.conversion.export",
    "get_expected_image_size": "rehub.tf1.images",
    "get_num_image_channels": "rehub.tf1.images",
    "image_embedding_column": "rehub.tf1.feature_columns",
    "inspect": "rehub.resolvers.inspection",
    "install_as_tensorflow_hub": "rehub.alias.install",
    "load": "rehub.runtime.load",
    "load_module_spec": "rehub.tf1.module_spec",
    "register_module_for_export": "rehub.tf1.exporters",
    "slim": "rehub.publish.slim",
    "sparse_text_embedding_column": "rehub.tf1.feature_columns",
    "text_embedding_column": "rehub.tf1.feature_columns",
    "text_embedding_column_v2": "rehub.keras.feature_column",
}

_ROOMS = ("batch", "index")
"""Packages with names of their own, such as ``rehub.batch.predict``."""

define_flags()


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"rehub.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module 'rehub' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

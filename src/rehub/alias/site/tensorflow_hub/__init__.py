"""tensorflow_hub, as rehub has it. Names arrive on first use, as those of rehub do."""

from __future__ import annotations

import importlib
from typing import Any

from rehub.alias.activation import activate
from tensorflow_hub.version import __version__  # noqa: F401 - it is public without being in __all__

__all__ = [
    "ImageModuleInfo",
    "KerasLayer",
    "LatestModuleExporter",
    "Module",
    "ModuleSpec",
    "add_signature",
    "attach_image_module_info",
    "attach_message",
    "create_module_spec",
    "create_module_spec_from_saved_model",
    "get_expected_image_size",
    "get_num_image_channels",
    "image_embedding_column",
    "load",
    "load_module_spec",
    "register_module_for_export",
    "resolve",
    "sparse_text_embedding_column",
    "text_embedding_column",
    "text_embedding_column_v2",
]

_MODULE_OF = {
    "ImageModuleInfo": "image_util",
    "KerasLayer": "keras_layer",
    "LatestModuleExporter": "estimator",
    "Module": "module",
    "ModuleSpec": "module_spec",
    "add_signature": "native_module",
    "attach_image_module_info": "image_util",
    "attach_message": "native_module",
    "create_module_spec": "native_module",
    "create_module_spec_from_saved_model": "saved_model_module",
    "eval_function_for_module": "module",
    "get_expected_image_size": "image_util",
    "get_num_image_channels": "image_util",
    "image_embedding_column": "feature_column",
    "load": "module_v2",
    "load_module_spec": "module",
    "register_module_for_export": "estimator",
    "resolve": "module_v2",
    "sparse_text_embedding_column": "feature_column",
    "text_embedding_column": "feature_column",
    "text_embedding_column_v2": "feature_column_v2",
}
_SUBMODULES = (
    "compressed_module_resolver",
    "config",
    "estimator",
    "feature_column",
    "feature_column_v2",
    "file_utils",
    "image_module_info_pb2",
    "image_util",
    "keras_layer",
    "meta_graph_lib",
    "module",
    "module_attachment_pb2",
    "module_def_pb2",
    "module_impl",
    "module_spec",
    "module_v2",
    "native_module",
    "registry",
    "resolver",
    "saved_model_lib",
    "saved_model_module",
    "tensor_info",
    "tf_utils",
    "tf_v1",
    "uncompressed_module_resolver",
)

activate()
importlib.import_module("tensorflow_hub.config")


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value: Any = getattr(importlib.import_module(f"tensorflow_hub.{_MODULE_OF[name]}"), name)
    elif name in _SUBMODULES:
        value = importlib.import_module(f"tensorflow_hub.{name}")
    else:
        raise AttributeError(f"module 'tensorflow_hub' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF, *_SUBMODULES])

"""rehub: the complete TensorFlow Hub on today's TensorFlow and Keras. Import it as ``hub``.

The names that need TensorFlow arrive on first use, so that ``import rehub`` is quick and needs none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rehub import errors
from rehub.configuration import Settings, define_flags, settings

if TYPE_CHECKING:
    from rehub.keras import KerasLayer
    from rehub.model.model_info import ModelInfo
    from rehub.resolvers.chain import resolve
    from rehub.resolvers.inspection import inspect
    from rehub.runtime.load import load
    from rehub.runtime.memo import clear_memo

__version__ = "0.1.0"

__all__ = [
    "KerasLayer",
    "ModelInfo",
    "Settings",
    "__version__",
    "clear_memo",
    "errors",
    "inspect",
    "load",
    "resolve",
    "settings",
]

_LAZY = {
    "KerasLayer": "rehub.keras",
    "ModelInfo": "rehub.model.model_info",
    "clear_memo": "rehub.runtime.memo",
    "inspect": "rehub.resolvers.inspection",
    "load": "rehub.runtime.load",
    "resolve": "rehub.resolvers.chain",
}

_TF1 = frozenset(
    {
        "ImageModuleInfo",
        "LatestModuleExporter",
        "Module",
        "ModuleSpec",
        "add_signature",
        "attach_image_module_info",
        "attach_message",
        "create_module_spec",
        "create_module_spec_from_saved_model",
        "eval_function_for_module",
        "get_expected_image_size",
        "get_num_image_channels",
        "image_embedding_column",
        "load_module_spec",
        "register_module_for_export",
        "sparse_text_embedding_column",
        "text_embedding_column",
    }
)

define_flags()


def __getattr__(name: str) -> Any:
    if name in _TF1:
        raise AttributeError(
            f"rehub does not have {name!r} of the TF1 Hub API yet; hub.load and hub.KerasLayer read such models."
        )
    if name not in _LAZY:
        raise AttributeError(f"module 'rehub' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

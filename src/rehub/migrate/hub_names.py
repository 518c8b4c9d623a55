"""The names of tensorflow_hub: which of them rehub has, and where else they were."""

from __future__ import annotations

import rehub

PUBLIC = frozenset(rehub.__all__)

OF_ANY_MODULE = frozenset({"__doc__", "__file__", "__name__", "__package__", "__path__", "__spec__"})

INNER_MODULES = frozenset(
    {
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
        "version",
    }
)
"""Those of tensorflow_hub 0.1 to 0.16."""

TOOLS = "tools"
"""The package of commands that was in tensorflow_hub 0.6 to 0.14."""

GRAPH_MODE = frozenset(
    {
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
        "sparse_text_embedding_column",
        "text_embedding_column",
    }
)
"""What belongs to programs of TensorFlow 1."""

ESTIMATORS = frozenset({"LatestModuleExporter", "register_module_for_export"})

ALIAS = (
    "keep this import, and call rehub.install_as_tensorflow_hub() before it or run the program by python -m rehub.alias"
)
"""What to do about inner parts that have no counterpart."""

"""Making and reading modules of the TF1 Hub format."""

from __future__ import annotations

import os
from pathlib import Path

from rehub.alias.retired import retired
from rehub.tf1.builder import add_signature as add_signature
from rehub.tf1.builder import attach_message as attach_message
from rehub.tf1.builder import create_module_spec as create_module_spec
from rehub.tf1.module_spec import ModuleSpec, load_module_spec

_FILE = "tfhub_module.pb"


class Loader:
    """Reads the folders of modules."""

    def is_supported(self, path: str) -> bool:
        """Whether a folder holds a module of the TF1 Hub format."""
        return Path(get_module_proto_path(path)).is_file()

    def __call__(self, path: str) -> ModuleSpec:
        """Returns the module in a folder."""
        return load_module_spec(path)


def get_module_proto_path(module_dir: str) -> str:
    """Returns the path of the file that marks a folder as a module."""
    return os.path.join(module_dir, _FILE)  # noqa: PTH118 - may be gs://


__getattr__ = retired(
    __name__,
    "Make modules with hub.create_module_spec, and read them with hub.load_module_spec.",
    "check_collections_are_supported",
    "check_unique_tags",
    "find_signature_input_colocation_error",
    "find_signature_inputs_from_multivalued_ops",
    "find_signature_type_errors",
    "find_state_op_colocation_error",
    "fix_colocation_after_import",
    "get_node_map_from_tensor_map",
    "get_state_map",
    "get_unsupported_collections",
    "is_registered_stateful_op_without_inputs",
    "list_registered_stateful_ops_without_inputs",
    "recover_partitioned_variable_map",
    "register_ops_if_needed",
    "replace_apply_state",
)

"""The files of a module."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from rehub.alias.retired import retired
from rehub.formats import tf1_hub

ATTACHMENT_COLLECTION_SAVED = "hub_module_attachments"


def get_variables_path(export_dir: str) -> str:
    """Returns the prefix of a SavedModel's checkpoint."""
    return os.path.join(export_dir, "variables", "variables")  # noqa: PTH118 - may be gs://


def get_attached_bytes_map(meta_graph: Any) -> Mapping[str, bytes]:
    """Returns the messages that a publisher attached to a graph, in bytes, by their keys."""
    return tf1_hub.attached_bytes(meta_graph)


__getattr__ = retired(
    __name__,
    "Make modules with hub.create_module_spec, add_signature and attach_message, and read them with "
    "hub.load_module_spec.",
    "SavedModelHandler",
    "add_signature",
    "attach_bytes",
    "load",
)

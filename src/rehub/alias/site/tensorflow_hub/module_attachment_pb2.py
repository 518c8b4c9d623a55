"""The protocol message `ModuleAttachment`."""

from typing import Any

from rehub.formats import schema

ModuleAttachment: Any = schema.message("tensorflow_hub.ModuleAttachment")

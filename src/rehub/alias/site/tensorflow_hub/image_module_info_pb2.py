"""The protocol message `ImageModuleInfo`."""

from typing import Any

from rehub.formats import schema

ImageModuleInfo: Any = schema.message("tensorflow_hub.ImageModuleInfo")

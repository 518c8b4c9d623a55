"""The protocol message `ModuleDef`."""

from typing import Any

from rehub.formats import schema

ModuleDef: Any = schema.message("tensorflow_hub.ModuleDef")

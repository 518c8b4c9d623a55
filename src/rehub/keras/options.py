"""How a layer calls its model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from rehub.errors import SignatureError
from rehub.keras import shapes


@dataclasses.dataclass(frozen=True)
class Options:
    """The constructor's arguments, apart from handle and Keras' own.

    Attributes are those of `KerasLayer`; a dataclass, so that no Keras wraps or tracks them.
    """

    arguments: Mapping[str, Any]
    tags: tuple[str, ...] | None
    signature: str | None
    signature_outputs_as_dict: bool | None
    output_key: str | None
    output_shape: Any
    load_options: Any
    allow_signature_training: bool
    embed_saved_model: bool
    batch_norm: str

    def __post_init__(self) -> None:
        if self.signature and (self.output_key is not None) == bool(self.signature_outputs_as_dict):
            raise SignatureError(
                "When using a signature, either output_key or signature_outputs_as_dict=True should be set.",
                hint="Set just one of them: output_key= gives one tensor, signature_outputs_as_dict=True all outputs.",
            )
        if not self.signature and self.signature_outputs_as_dict:
            raise SignatureError(
                "signature_outputs_as_dict is only valid if specifying a signature (or using a legacy TF1 Hub format).",
                hint="Name the signature=, or leave signature_outputs_as_dict out.",
            )

    def config(self) -> dict[str, Any]:
        """The part of a layer's configuration that says how the model is called; what is as usual is left out.

        Raises:
            SignatureError: If ``arguments`` cannot be written as JSON.
        """
        for key, value in self.arguments.items():
            try:
                json.dumps(value)
            except TypeError as error:
                raise SignatureError(
                    f"`hub.KerasLayer(..., arguments)` contains non json-serializable values in key: {key}: {error}.",
                    hint="Use numbers, strings, lists and dicts.",
                ) from error
        chosen = {
            "arguments": dict(self.arguments) or None,
            "tags": None if self.tags is None else list(self.tags),
            "signature": self.signature,
            "signature_outputs_as_dict": self.signature_outputs_as_dict,
            "output_key": self.output_key,
            "output_shape": shapes.from_shapes(self.output_shape),
            "allow_signature_training": self.allow_signature_training or None,
            "batch_norm": None if self.batch_norm == "train" else self.batch_norm,
        }
        return {key: value for key, value in chosen.items() if value is not None}

"""How a layer calls its model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from rehub.errors import SignatureError


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

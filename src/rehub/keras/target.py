"""What a layer calls: a loaded object, or one of its signatures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rehub.errors import SignatureError
from rehub.runtime import reusable
from rehub.runtime.load import load


def resolve_object(handle: Any, tags: Any, load_options: Any) -> Any:
    """Loads what a handle names; an object that can be called, or has signatures, is taken as it is.

    Raises:
        SignatureError: If ``tags`` or ``load_options`` come with an object.
    """
    if not callable(handle) and not reusable.signatures_of(handle):
        return load(handle, tags=tags, options=load_options)
    for name, value in (("tags", tags), ("load_options", load_options)):
        if value is not None:
            raise SignatureError(
                f"Passing a callable handle is mutually exclusive with setting {name}.",
                hint=f"Pass {name} to hub.load, where the object comes from.",
            )
    return handle


def wants_single(signature: str | None, output_key: str | None, as_dict: bool | None) -> bool:
    """Whether a signature was chosen and none of its outputs."""
    return bool(signature) and output_key is None and not as_dict


def single_output(obj: Any, signature: str | None) -> str | None:
    """The name of a signature's only output, so that users need not say it; None if there is no such signature.

    Raises:
        SignatureError: If it has several outputs.
    """
    function = reusable.signatures_of(obj).get(signature or "")
    outputs = getattr(function, "structured_outputs", None)
    if not isinstance(outputs, Mapping):
        return None
    if len(outputs) == 1:
        return str(next(iter(outputs)))
    raise SignatureError(
        "When using a signature, either output_key or signature_outputs_as_dict=True should be set. "
        f"Signature {signature!r} has the outputs {', '.join(sorted(outputs))}.",
        hint="Choose one of them with output_key=, or take all with signature_outputs_as_dict=True.",
        available=tuple(sorted(outputs)),
    )


def choose_callable(obj: Any, signature: str | None, name: str) -> Callable[..., Any]:
    """Picks what a call of the layer calls: a signature, or the object's own ``__call__``.

    Raises:
        SignatureError: If there is no such signature, or the object cannot be called and none was chosen.
    """
    table = "; ".join(reusable.signature_table(obj)) or "none"
    available = tuple(sorted(reusable.signatures_of(obj)))
    if signature:
        function = reusable.signatures_of(obj).get(signature)
        if function is None:
            raise SignatureError(
                f"Unknown signature {signature} in {name} (available signatures: {table}).",
                hint="Choose one of these with signature=.",
                handle=name,
                available=available,
            )
        chosen: Callable[..., Any] = function
        return chosen
    if callable(obj):
        # The attribute, not the object: restored functions hang on the instance and know their arguments.
        call: Callable[..., Any] = obj if not hasattr(type(obj), "__call__") else obj.__call__  # noqa: B004
        return call
    raise SignatureError(
        f"{name} is not callable, and no signature was chosen (available signatures: {table}).",
        hint="Choose one of these with signature= and output_key=.",
        handle=name,
        available=available,
    )

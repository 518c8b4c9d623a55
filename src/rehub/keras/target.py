"""What a layer calls: a loaded object, or one of its signatures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rehub.errors import SignatureError
from rehub.runtime import reusable
from rehub.runtime.load import load_for_layer


def resolve_object(handle: Any, tags: Any, load_options: Any, signature: str | None, *, trains: bool) -> Any:
    """Loads what a layer uses of the model that a handle names; an object that can be called is taken as it is.

    So is one that has signatures.

    Raises:
        SignatureError: If ``tags`` or ``load_options`` come with an object.
        UsageError: If the object is a function of a model that is there no more.
    """
    if not callable(handle) and not reusable.signatures_of(handle):
        return load_for_layer(handle, tags, load_options, calls_signature=bool(signature), trains=trains)
    for name, value in (("tags", tags), ("load_options", load_options)):
        if value is not None:
            raise SignatureError(
                f"Passing a callable handle is mutually exclusive with setting {name}.",
                hint=f"Pass {name} to hub.load, where the object comes from.",
            )
    reusable.check_variables(handle)
    return handle


def check_lifted(obj: Any) -> None:
    """Refuses to train a model of TensorFlow 1 that was not made an object of TensorFlow 2.

    Raises:
        SignatureError: If it is one; it tells why.
    """
    if not reusable.is_graph_of_tf1(obj):
        return
    is_hub_module = getattr(obj, "_is_hub_module_v1", False)
    what = "when loading from the TF1 Hub format" if is_hub_module else "for a SavedModel of TensorFlow 1"
    reason = getattr(obj, "_lifting_error", None)
    raise SignatureError(
        f"Setting hub.KerasLayer.trainable = True is unsupported {what}"
        + (f" that cannot be made an object of TensorFlow 2: {reason}" if reason else " with hub.load."),
        hint="Use it with trainable=False."
        if reason
        else "Pass the handle to hub.KerasLayer, outside of any tf.Graph; or use hub.Module in a tf.Graph.",
    ) from reason


def wants_single(signature: str | None, output_key: str | None, as_dict: bool | None) -> bool:
    """Whether a signature was chosen and none of its outputs."""
    return bool(signature) and output_key is None and not as_dict


def single_output(obj: Any, signature: str | None) -> str | None:
    """The name of a signature's only output, so that users need not say it; None if there is no such signature.

    Raises:
        SignatureError: If it has several outputs.
    """
    function = reusable.named_calls(obj).get(signature or "")
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
    available = tuple(sorted(reusable.named_calls(obj)))
    if signature:
        function = reusable.named_calls(obj).get(signature)
        if function is None:
            raise SignatureError(
                f"Unknown signature {signature} in {name} (available signatures: {table}).",
                hint="Choose one of these with signature=.",
                handle=name,
                available=available,
            )
        chosen: Callable[..., Any] = function
        return chosen
    if callable(obj) and not reusable.lifted_calls(obj):
        # The attribute, not the object: restored functions hang on the instance and know their arguments.
        call: Callable[..., Any] = reusable.call_of(obj)
        return call
    raise SignatureError(
        f"{name} is not callable, and no signature was chosen (available signatures: {table}).",
        hint="Choose one of these with signature= and output_key=.",
        handle=name,
        available=available,
    )

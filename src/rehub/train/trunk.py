"""The published model that a classifier is made of: what it takes, and what it makes of it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from rehub import configuration
from rehub.errors import DependencyError, SignatureError
from rehub.keras import KerasLayer
from rehub.resolvers.chain import resolve
from rehub.runtime.remote import fetch
from rehub.runtime.tf_version import import_tensorflow
from rehub.tf1.images import get_expected_image_size
from rehub.tf1.module_spec import load_module_spec

Kind = Literal["image", "text"]
Size = tuple[int, int]
"""Height and width."""

OPEN_SIZE: Size = (224, 224)
"""What images are brought to for models that take all sizes: what most networks for ImageNet were trained with."""

_CHANNELS = 3
_FILES = ("saved_model.pb", "variables/variables.index", "tfhub_module.pb")


@dataclasses.dataclass(frozen=True)
class Trunk:
    """A model whose output is what a classifier decides by.

    Attributes:
        handle: Where it comes from.
        layer: The `KerasLayer`.
        spec: The ``tf.TensorSpec`` of a batch: float32 ``[?, height, width, 3]``, or string ``[?]``.
        width: How many numbers it makes of one example.
    """

    handle: str
    layer: Any
    spec: Any
    width: int

    @property
    def kind(self) -> Kind:
        """Whether it takes images or texts."""
        return "text" if self.spec.dtype == import_tensorflow().string else "image"

    @property
    def size(self) -> Size:
        """Of the images that it takes."""
        return self.spec.shape[1], self.spec.shape[2]

    @property
    def trains_words_alone(self) -> bool:
        """Whether all that can be tuned of it is one table of vectors, as in embeddings of words."""
        variables = self.layer.trainable_variables
        return self.kind == "text" and len(variables) == 1 and len(variables[0].shape) == 2

    def features(self, inputs: Any, *, training: bool = False) -> Any:
        """Returns float32 ``[n, width]``."""
        return import_tensorflow().cast(_vectors(self.layer(inputs, training=training), self.handle), "float32")


def load(
    handle: str,
    kind: Kind,
    *,
    trainable: bool,
    signature: str | None,
    output_key: str | None,
    image_size: Size | None,
) -> Trunk:
    """Loads a model to make a classifier of.

    Args:
        handle: A path or a URL.
        kind: What it has to take.
        trainable: Whether it is to be fine-tuned.
        signature: The signature to call; None for the model itself, or a module's signature ``default``.
        output_key: The output to take; None for the only one, or the one that is called ``default``.
        image_size: What images are brought to; None for the size that the model takes.

    Raises:
        SignatureError: If it takes something else, another size of images, or makes no vectors of numbers.
        DependencyError: If Keras does not run on TensorFlow.
        HubError: What `KerasLayer` raises, if the model cannot be had.
    """
    tf = import_tensorflow()
    _check_backend()
    with configuration.settings(memo=False):  # else what is tuned here would be what others get
        layer = KerasLayer(
            handle,
            trainable=trainable,
            signature=signature,
            output_key=output_key,
            allow_signature_training=bool(signature),
        )
    spec = _input_spec(layer, handle, kind)
    if kind == "image":
        size = _image_size(layer, handle, signature, spec, image_size)
        spec = tf.TensorSpec([None, *size, _CHANNELS], tf.float32)
        example = tf.zeros([1, *size, _CHANNELS])
    else:
        spec, example = tf.TensorSpec([None], tf.string), tf.constant(["a text"])
    features = _vectors(layer(example, training=False), handle)
    return Trunk(handle, layer, spec, int(features.shape[1]))


def fingerprint(handle: str) -> str:
    """Returns what changes when the model behind a handle does."""
    digest = hashlib.sha256()
    folder = fetch(resolve(handle))
    for name in _FILES:
        file = folder / name
        digest.update(file.read_bytes() if file.is_file() else b"-")
    return digest.hexdigest()


def local_handle(handle: str | os.PathLike[str]) -> str:
    """Returns a handle as text; a path to a folder that exists becomes absolute."""
    text = os.fspath(handle)
    return str(Path(text).resolve()) if Path(text).is_dir() else text


def _check_backend() -> None:
    keras = import_tensorflow().keras
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise DependencyError(
            f"Keras runs on {backend} here, and classifiers are trained on TensorFlow.",
            hint="Set KERAS_BACKEND=tensorflow for this program.",
            package="keras",
            found=backend,
            required="tensorflow",
        )


def _input_spec(layer: Any, handle: str, kind: Kind) -> Any:
    tf = import_tensorflow()
    specs = [spec for spec in layer.input_specs() if isinstance(spec, tf.TensorSpec)]
    wanted, rank = ("string [batch]", 1) if kind == "text" else ("float32 [batch, height, width, 3]", 4)
    article = "a" if kind == "text" else "an"
    for spec in specs:
        fits = spec.dtype == tf.string if kind == "text" else spec.dtype.is_floating
        if fits and spec.shape.rank in (rank, None) and (kind == "text" or _has_channels(spec)):
            return spec
    found = ", ".join(f"{spec.dtype.name} {spec.shape}" for spec in specs) or "several tensors, or none"
    raise SignatureError(
        f"'{handle}' takes {found}, and {article} {kind} classifier needs a model that takes {wanted}.",
        hint="See 'rehub inspect' for what it takes, and choose another signature, or another model.",
        handle=handle,
    )


def _has_channels(spec: Any) -> bool:
    return spec.shape.rank is None or spec.shape[-1] in (None, _CHANNELS)


def _image_size(layer: Any, handle: str, signature: str | None, spec: Any, wanted: Size | None) -> Size:
    attached = _attached_size(handle, signature) if layer.is_hub_module else None
    static = tuple(spec.shape[1:3]) if spec.shape.rank else (None, None)
    known = (static[0], static[1]) if None not in static else attached
    # A size that was attached is what a module was trained with; one in the shape is all that it takes.
    if wanted is not None and None not in static and wanted != static:
        raise SignatureError(
            f"'{handle}' takes images of {static[0]} by {static[1]} pixels, not of {wanted[0]} by {wanted[1]}.",
            hint="Leave the image size out: images are brought to the one that the model takes.",
            handle=handle,
        )
    return wanted or known or OPEN_SIZE


def _attached_size(handle: str, signature: str | None) -> Size | None:
    try:
        return get_expected_image_size(load_module_spec(handle), signature)
    except SignatureError:  # it takes all sizes
        return None


def _vectors(output: Any, handle: str) -> Any:
    if isinstance(output, Mapping):
        if "default" not in output and len(output) != 1:
            raise SignatureError(
                f"'{handle}' has several outputs: {', '.join(map(str, output))}.",
                hint="Choose one by output_key, on the command line --output-key.",
                handle=handle,
                available=tuple(map(str, output)),
            )
        output = output.get("default", next(iter(output.values())))
    shape = getattr(output, "shape", None)
    is_vector = shape is not None and len(shape) == 2 and shape[1] is not None
    if not is_vector or not (output.dtype.is_floating or output.dtype.is_integer):
        described = f"{output.dtype.name} {shape}" if shape is not None else type(output).__name__
        raise SignatureError(
            f"'{handle}' returns {described}, and a classifier needs one vector of numbers for each example.",
            hint="Choose another output by output_key, another signature, or another model.",
            handle=handle,
        )
    return output

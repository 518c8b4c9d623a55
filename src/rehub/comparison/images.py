"""Images as a model wants them: of its size, and in the range of its numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rehub.errors import ComparisonError, SignatureError
from rehub.runtime.tf_message import message_of
from rehub.runtime.tf_version import import_tensorflow
from rehub.runtime.upright import upright
from rehub.tf1.images import get_expected_image_size
from rehub.tf1.module_spec import load_module_spec

Size = tuple[int, int]
"""Height and width."""


class ImageFiles(Sequence[Any]):
    """The images in some files, upright, RGB, uint8 ``[height, width, 3]``; each is read when it is asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: Any) -> Any:
        tf = import_tensorflow()
        file = self._files[index]
        try:
            content = file.read_bytes()
            return upright(tf.io.decode_image(content, channels=3, expand_animations=False), content).numpy()
        except (OSError, tf.errors.InvalidArgumentError) as error:
            raise ComparisonError(
                f"'{file}' is no image that can be read: {message_of(error)}", hint="Take it away."
            ) from error


class ImageFitter:
    """Brings batches of images to the size and the dtype that a layer takes.

    The size is what the publisher attached to a TF1 module, then that of the layer's input. Where the layer takes all
    sizes, it is the one that the caller wants, or that of the images. Images of integers from 0 to 255 become numbers
    from 0 to 1 for a layer that takes floating ones (Source: TensorFlow Hub, common signatures for images).

    Args:
        layer: A `KerasLayer`.
        handle: Its model.
        signature: The signature that it calls; None for the layer's own choice.
        wanted: The size where the layer takes all.
    """

    def __init__(self, layer: Any, handle: str | os.PathLike[str], signature: str | None, wanted: Size | None) -> None:
        spec = next(_image_specs(layer), None)
        self._dtype = import_tensorflow().float32 if spec is None else spec.dtype
        attached = _attached_size(handle, signature) if layer.is_hub_module else None
        static = None if spec is None else (spec.shape[1], spec.shape[2])
        self._size = attached or (wanted if static is None or None in static else static)

    def __call__(self, images: Any) -> Any:
        """Returns a batch ``[n, height, width, channels]`` of a list of images, or of a batch.

        Raises:
            ComparisonError: If the images have several sizes, and there is none to bring them to.
        """
        size = self._size
        sizes = {tuple(image.shape[:2]) for image in images}
        if size is None and len(sizes) > 1:
            raise ComparisonError(
                f"The model takes images of all sizes, and these have {len(sizes)} different ones.",
                hint="Say to which height and width they are to be brought by image_size, such as (224, 224).",
            )
        if isinstance(images, np.ndarray):
            return self._fit(images, size)
        return np.concatenate([self._fit(np.asarray(image)[None], size) for image in images])

    def _fit(self, batch: Any, size: Size | None) -> Any:
        tf = import_tensorflow()
        if batch.dtype == np.uint8 and self._dtype.is_floating:
            batch = batch.astype(np.float32) / 255
        if size is not None and batch.shape[1:3] != size:
            batch = tf.image.resize(batch, size, antialias=True).numpy()
        if self._dtype.is_integer:
            batch = np.rint(batch)
        return batch.astype(self._dtype.as_numpy_dtype)


def _image_specs(layer: Any) -> Iterator[Any]:
    for spec in import_tensorflow().nest.flatten(layer.input_specs()):
        if getattr(spec, "shape", None) is not None and spec.shape.rank == 4:
            yield spec


def _attached_size(handle: str | os.PathLike[str], signature: str | None) -> Size | None:
    try:
        return get_expected_image_size(load_module_spec(handle), signature)
    except SignatureError:  # it takes all sizes, or no images
        return None

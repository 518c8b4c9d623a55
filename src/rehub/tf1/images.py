"""The size of the images that a module takes: attached to it, or in the shapes of its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rehub.errors import SignatureError
from rehub.formats import schema, tf1_hub
from rehub.tf1 import builder

if TYPE_CHECKING:
    from rehub.tf1.module import Module
    from rehub.tf1.module_spec import ModuleSpec

_DEFAULT_INPUT = "images"
"""Source: TensorFlow Hub, common signatures for images."""

ImageModuleInfo: Any = schema.message("tensorflow_hub.ImageModuleInfo")
"""The protocol message that `attach_image_module_info` attaches; its only field is ``default_image_size``, which has a
``height`` and a ``width``."""


def attach_image_module_info(image_module_info: Any) -> None:
    """Attaches the size of its images to the module that is being made; for use in a ``module_fn``.

    Args:
        image_module_info: An `ImageModuleInfo`.

    Raises:
        TypeError: If it is something else.
        UsageError: Outside of a ``module_fn``.
    """
    # By name: code that is on its way from tensorflow_hub has the message of that library.
    found = getattr(getattr(image_module_info, "DESCRIPTOR", None), "full_name", type(image_module_info).__name__)
    if found != ImageModuleInfo.DESCRIPTOR.full_name:
        raise TypeError(f"image_module_info is a {found}, not a hub.ImageModuleInfo.")
    builder.attach_message(tf1_hub.IMAGE_INFO, image_module_info)


def get_expected_image_size(
    module_or_spec: Module | ModuleSpec, signature: str | None = None, input_name: str | None = None
) -> tuple[int, int]:
    """Returns the height and width of the images that a module takes.

    What its publisher attached counts first, then the static shape of the input.

    Args:
        module_or_spec: The module.
        signature: Of the module; None for ``default``.
        input_name: The input that takes the images; None for ``images``, or for the only one where none is called so.

    Raises:
        SignatureError: If the module has no such signature or input, or fixes no size.
    """
    info = module_or_spec.get_attached_message(tf1_hub.IMAGE_INFO, ImageModuleInfo)
    if info is not None and info.default_image_size.height and info.default_image_size.width:
        return info.default_image_size.height, info.default_image_size.width
    shape = _shape(module_or_spec, signature, input_name)
    if shape is None or shape[1] is None or shape[2] is None:
        raise _open_shape(shape, "height and width", "Resize images to a size of your choice.")
    return shape[1], shape[2]


def get_num_image_channels(
    module_or_spec: Module | ModuleSpec, signature: str | None = None, input_name: str | None = None
) -> int:
    """Returns how many channels the images have that a module takes.

    Args:
        module_or_spec: The module.
        signature: Of the module; None for ``default``.
        input_name: The input that takes the images; None for ``images``, or for the only one where none is called so.

    Raises:
        SignatureError: If the module has no such signature or input, or does not fix the number.
    """
    shape = _shape(module_or_spec, signature, input_name)
    if shape is None or shape[3] is None:
        raise _open_shape(shape, "number of channels", "Its documentation may say; 3, as of RGB, is usual.")
    return shape[3]


def _shape(
    module_or_spec: Module | ModuleSpec, signature: str | None, input_name: str | None
) -> tuple[int | None, int | None, int | None, int | None] | None:
    """Of a batch of images; None if the module takes any."""
    inputs = module_or_spec.get_input_info_dict(signature=signature)
    name = input_name or _DEFAULT_INPUT
    if input_name is None and name not in inputs and len(inputs) == 1:
        (name,) = inputs
    if name not in inputs:
        raise SignatureError(
            f"the signature {signature or 'default'!r} has no input {name!r}; it has {', '.join(inputs) or 'none'}.",
            hint="Name the one that takes images by input_name.",
            available=tuple(inputs),
        )
    shape = inputs[name].get_shape()
    if shape.rank is None:
        return None
    if shape.rank != 4:
        raise SignatureError(
            f"the input {name!r} of the signature {signature or 'default'!r} takes no batch of images: its shape is "
            f"{shape}, not [batch, height, width, channels].",
            hint="Name another signature, or another input by input_name.",
            available=tuple(inputs),
        )
    batch, height, width, channels = shape.as_list()
    return batch, height, width, channels


def _open_shape(shape: tuple[int | None, ...] | None, what: str, hint: str) -> SignatureError:
    known = "of unknown shape" if shape is None else f"of shape {list(shape)}"
    return SignatureError(f"the module takes images {known}, which fixes no {what}.", hint=hint)

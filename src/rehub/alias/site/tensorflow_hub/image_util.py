"""The size of the images that modules take."""

from __future__ import annotations

from typing import Any

from rehub.formats.tf1_hub import IMAGE_INFO
from rehub.tf1.images import ImageModuleInfo as ImageModuleInfo
from rehub.tf1.images import attach_image_module_info as attach_image_module_info
from rehub.tf1.images import get_expected_image_size as get_expected_image_size
from rehub.tf1.images import get_num_image_channels as get_num_image_channels

IMAGE_MODULE_INFO_KEY = IMAGE_INFO


def get_image_module_info(module_or_spec: Any, required: bool = False) -> Any:
    """Returns what a publisher attached about images: an `ImageModuleInfo`, or None.

    Raises:
        KeyError: If it is required, and not there.
    """
    return module_or_spec.get_attached_message(IMAGE_MODULE_INFO_KEY, ImageModuleInfo, required=required)

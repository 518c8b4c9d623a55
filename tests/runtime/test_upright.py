"""Photographs are turned as their EXIF data say."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from rehub.runtime.upright import upright

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 5, 3)).astype(np.uint8)


def _jpeg(orientation: int, order: str = "<", before: bytes = b"") -> bytes:
    """A JPEG with EXIF data, of which the orientation is the second entry."""
    data = bytes(tf.io.encode_jpeg(PIXELS, quality=100).numpy())
    entries = struct.pack(f"{order}HHII", 0x0100, 4, 1, 6) + struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HIH", 42, 8, 2) + entries + bytes(4)
    return data[:2] + before + b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff + data[2:]


def _turned(content: bytes) -> Any:
    return upright(tf.io.decode_image(content, channels=3, expand_animations=False), content).numpy()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_upright_turns_a_photograph_as_pillow_does(orientation: int, order: str) -> None:
    content = _jpeg(orientation, order)
    held = Image.fromarray(tf.io.decode_image(content).numpy())
    held.getexif()[0x0112] = orientation

    assert np.array_equal(_turned(content), np.asarray(ImageOps.exif_transpose(held)))


def test_upright_finds_the_orientation_behind_other_segments() -> None:
    comment = b"\xff\xfe" + struct.pack(">H", 5) + b"abc"

    assert _turned(_jpeg(6, before=comment * 2)).shape == (5, 3, 3)


def test_upright_is_part_of_a_model(tmp_path: Any) -> None:
    class Reader(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def __call__(self, content):
            image = tf.io.decode_image(content, channels=3, expand_animations=False)
            image.set_shape([None, None, 3])
            return upright(image, content)

    tf.saved_model.save(Reader(), str(tmp_path))
    content = _jpeg(8)

    assert np.array_equal(tf.saved_model.load(str(tmp_path))(content), _turned(content))


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_upright_survives_data_that_end_early(cut: int) -> None:
    image = tf.constant(PIXELS)

    assert sorted(upright(image, _jpeg(6)[:cut]).shape) == [3, 3, 5]


def test_upright_survives_numbers_that_lead_nowhere() -> None:
    content = _jpeg(6)
    for place in range(2, 50):
        changed = content[:place] + b"\xff" + content[place + 1 :]
        assert sorted(upright(tf.constant(PIXELS), changed).shape) == [3, 3, 5]


def test_upright_leaves_other_images_as_they_are() -> None:
    for content in (tf.io.encode_png(PIXELS), tf.constant(""), b"Exif\0\0"):
        assert np.array_equal(upright(tf.constant(PIXELS), content), PIXELS)

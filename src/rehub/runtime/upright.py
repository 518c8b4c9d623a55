"""Photographs as they were seen: a camera stores what its sensor sees, and notes how it was held."""

from __future__ import annotations

import functools
from typing import Any

from rehub.runtime.tf_version import import_tensorflow

_JPEG, _APP1, _SCAN = 0xFFD8FF, 0xE1, 0xDA
_EXIF = b"Exif\x00\x00"
_LITTLE, _BIG = 0x4949, 0x4D4D
_ORIENTATION = 0x0112
_MOST_SEGMENTS = 64  # before the EXIF data, which come first or second: a file made to be slow is not


def upright(image: Any, content: Any) -> Any:
    """Turns an image as the EXIF data of its file say; those of JPEG files alone are looked at.

    All of it is operations of TensorFlow, so it can be part of a model.

    Args:
        image: uint8 ``[height, width, channels]``, as TensorFlow decodes it.
        content: The bytes of the file, a string.
    """
    if isinstance(content, bytes) and _EXIF not in content:  # the operations take longer than to decode a small image
        return image
    return _function()(image, content)


@functools.cache
def _function() -> Any:
    tf = import_tensorflow()
    signature = [tf.TensorSpec([None, None, None], tf.uint8), tf.TensorSpec([], tf.string)]
    return tf.function(_upright, input_signature=signature, autograph=False)


def _upright(image: Any, content: Any) -> Any:
    """Source: Exif 2.32, "Orientation"."""
    tf = import_tensorflow()
    orientation = _orientation(tf.io.decode_raw(content, tf.uint8))

    def is_one_of(*orientations: int) -> Any:
        return tf.reduce_any(orientation == tf.constant(orientations, tf.int64))

    mirrored = tf.cond(is_one_of(5, 6, 7, 8), lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    turned = tf.cond(is_one_of(2, 3, 6, 7), lambda: tf.reverse(mirrored, [1]), lambda: mirrored)
    return tf.cond(is_one_of(3, 4, 7, 8), lambda: tf.reverse(turned, [0]), lambda: turned)


def _orientation(data: Any) -> Any:
    """Returns what a camera notes, from 1 to 8; something else where it notes nothing.

    Source: JPEG (ITU T.81), "Marker segments"; TIFF 6.0, "Image file directory".
    """
    tf = import_tensorflow()

    def is_exif(at: Any) -> Any:
        has_name = _number(data, at + 4, len(_EXIF)) == int.from_bytes(_EXIF, "big")
        return (_number(data, at + 1, 1) == _APP1) & has_name

    def goes_on(at: Any) -> Any:
        is_marker = (_number(data, at, 1) == 0xFF) & (_number(data, at + 1, 1) != _SCAN)
        return is_marker & ~is_exif(at)

    start = tf.where(_number(data, 0, 3) == _JPEG, tf.constant(2, tf.int64), tf.size(data, tf.int64))
    (at,) = tf.while_loop(
        goes_on, lambda at: (at + 2 + _number(data, at + 2, 2),), (start,), maximum_iterations=_MOST_SEGMENTS
    )
    tiff = at + 4 + len(_EXIF)
    order = _number(data, tiff, 2)
    is_little = order == _LITTLE
    directory = tiff + _number(data, tiff + 4, 4, is_little)
    count = _number(data, directory, 2, is_little)
    entries = data[directory + 2 : directory + 2 + 12 * count]
    entries = tf.reshape(entries[: tf.size(entries) // 12 * 12], [-1, 12])
    tags, values = (
        tf.where(is_little, low + 256 * high, 256 * low + high)
        for low, high in (tf.unstack(tf.cast(entries[:, place : place + 2], tf.int64), axis=1) for place in (0, 8))
    )
    is_noted = is_exif(at) & (is_little | (order == _BIG)) & (tags == _ORIENTATION)
    return tf.reduce_max(tf.where(is_noted, values, 0))


def _number(data: Any, at: Any, size: int, is_little: Any = False) -> Any:
    """Returns the number in some bytes; behind the end of the data there are zeros."""
    tf = import_tensorflow()
    found = tf.cast(data[at : at + size], tf.int64)
    found = tf.pad(found, [[0, size - tf.size(found)]])
    found = tf.where(is_little, found[::-1], found)
    return tf.reduce_sum(found * [256**place for place in reversed(range(size))])

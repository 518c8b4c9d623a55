"""Pictures that visitors upload, as models take them. Only a process with limits reads what strangers send."""

from __future__ import annotations

import struct
from typing import Any

from rehub.runtime.tf_version import import_tensorflow
from rehub.runtime.upright import upright

PIXELS_LIMIT = 25_000_000

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_QUALITY = 90


class UnreadableError(ValueError):
    """It is no picture, or too large a one; the text is for whoever sent it."""


def read_picture(data: bytes, height: int, width: int) -> tuple[Any, bytes]:
    """Reads a file.

    Args:
        data: A PNG or JPEG.
        height: Of the result.
        width: Of the result.

    Returns:
        The picture, upright: float32 ``[height, width, 3]``, RGB from 0 to 1; and the same as JPEG.

    Raises:
        UnreadableError: If it is none, or has more than `PIXELS_LIMIT` pixels.
    """
    tf = import_tensorflow()
    try:
        if data.startswith(_PNG) and len(data) > 24:
            _check(*struct.unpack(">II", data[16:24]))
            image = tf.io.decode_png(data, channels=3)
        elif data.startswith(_JPEG):
            _check(*tf.image.extract_jpeg_shape(data).numpy()[:2])
            image = upright(tf.io.decode_jpeg(data, channels=3), data)
        else:
            raise UnreadableError("That is neither a PNG nor a JPEG.")
    except tf.errors.InvalidArgumentError as error:
        raise UnreadableError("That picture is damaged.") from error
    image = tf.clip_by_value(tf.image.resize(image, (height, width), antialias=True), 0, 255)
    seen = tf.io.encode_jpeg(tf.cast(tf.round(image), tf.uint8), quality=_QUALITY)
    return image.numpy() / 255, seen.numpy()


def _check(one: int, other: int) -> None:
    if one * other > PIXELS_LIMIT or not one * other:
        raise UnreadableError(f"That picture has {one} times {other} pixels; {PIXELS_LIMIT:,} in all are the most.")

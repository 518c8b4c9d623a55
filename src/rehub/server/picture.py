"""Pictures that visitors upload, as models take them. Only a process with limits reads what strangers send."""

from __future__ import annotations

import struct
from typing import Any

from rehub.runtime.tf_version import import_tensorflow

PIXELS_LIMIT = 25_000_000

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_EXIF = b"Exif\x00\x00"
_ORIENTATION = 0x0112
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
            image = _upright(tf, tf.io.decode_jpeg(data, channels=3), _orientation(data))
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


def _upright(tf: Any, image: Any, orientation: int) -> Any:
    """Turns a picture as its camera says. Source: Exif 2.32, "Orientation"."""
    if orientation in (2, 4, 5, 7):
        image = tf.image.flip_left_right(image)
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return tf.image.rot90(image, turns)


def _orientation(data: bytes) -> int:
    """What a JPEG's camera says of how it was held; 1 where it says nothing."""
    at = 2
    while data[at : at + 1] == b"\xff" and len(data) >= at + 4:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at + 4 : at + 2 + length]
        if kind == 0xE1 and segment.startswith(_EXIF):
            return _from_tiff(segment[len(_EXIF) :])
        if kind == 0xDA:  # the picture itself begins
            break
        at += 2 + length
    return 1


def _from_tiff(data: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for entry in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", data, start + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return int(value)
    except struct.error:  # it ends early
        pass
    return 1

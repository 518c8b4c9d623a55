"""The messages that model files are written in, without TensorFlow.

The ``.proto`` files beside this one are compiled into ``schema.binpb`` by ``scripts/compile_schema.py``. It is loaded
into a pool of our own, so that the messages may bear TensorFlow's names (an ``Any`` names its content by them) while
TensorFlow is in the same process, and so that one build serves every protobuf from 4.25 on. Earlier ones end the
process with a segmentation fault now and then when they read damaged files through a pool of one's own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib import resources
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError


@functools.cache
def pool() -> descriptor_pool.DescriptorPool:
    """Returns the pool that holds all messages of the schema."""
    own = descriptor_pool.DescriptorPool()
    for file in _files(resources.files(__name__).joinpath("schema.binpb").read_bytes()):
        own.AddSerializedFile(file)
    return own


def _files(descriptor_set: bytes) -> Iterator[bytes]:
    """The files in a ``FileDescriptorSet``, whose only field they are.

    Told apart by hand: the module that knows this message takes longer to import than small models to inspect.
    """
    at = 0
    while at < len(descriptor_set):
        at += 1  # the tag
        size, shift = 0, 0
        while True:
            byte = descriptor_set[at]
            size, shift, at = size | (byte & 0x7F) << shift, shift + 7, at + 1
            if byte < 0x80:
                break
        yield descriptor_set[at : at + size]
        at += size


@functools.cache
def message(name: str) -> Any:
    """Returns the class of a message.

    Args:
        name: Its full name, such as ``tensorflow.SavedModel``.

    Raises:
        KeyError: If the schema has no such message.
    """
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(name))


def parse(name: str, data: bytes) -> Any:
    """Returns the message of that name that the bytes hold.

    Raises:
        DecodeError: If they hold none.
    """
    try:
        return message(name).FromString(data)
    except (UnicodeDecodeError, RecursionError) as error:  # from protobuf's implementation in pure Python
        raise DecodeError(str(error)) from error


def enum_name(enum: str, number: int) -> str | None:
    """Returns the name of an enum's value, such as ``DT_FLOAT``; None for a number that the schema does not know."""
    value = pool().FindEnumTypeByName(enum).values_by_number.get(number)
    return None if value is None else value.name

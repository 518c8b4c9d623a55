"""The messages that model files are written in, without TensorFlow.

The ``.proto`` files beside this one are compiled into ``schema.binpb`` by ``scripts/compile_schema.py``. It is loaded
into a pool of our own, so that the messages may bear TensorFlow's names (an ``Any`` names its content by them) while
TensorFlow is in the same process, and so that one build serves every protobuf from 4.25 on. Earlier ones end the
process with a segmentation fault now and then when they read damaged files through a pool of one's own.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError


@functools.cache
def pool() -> descriptor_pool.DescriptorPool:
    """Returns the pool that holds all messages of the schema."""
    files = descriptor_pb2.FileDescriptorSet.FromString(resources.files(__name__).joinpath("schema.binpb").read_bytes())
    own = descriptor_pool.DescriptorPool()
    for file in files.file:
        own.AddSerializedFile(file.SerializeToString())
    return own


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

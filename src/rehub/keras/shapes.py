"""Declared output shapes: nests of shapes without batch size, as users and configurations write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehub.runtime.tf_version import import_tensorflow


def as_shapes(shapes: Any) -> Any:
    """Turns a shape, or a nest of shapes, without batch dimension into ``tf.TensorShape`` leaves."""
    tf = import_tensorflow()
    if shapes is None or isinstance(shapes, tf.TensorShape):
        return shapes
    if isinstance(shapes, Mapping):
        return {key: as_shapes(shape) for key, shape in shapes.items()}
    if all(dim is None or isinstance(dim, int) for dim in shapes):
        return tf.TensorShape(shapes)
    return type(shapes)(as_shapes(shape) for shape in shapes)


def from_shapes(shapes: Any) -> Any:
    """Turns what `as_shapes` gives back into lists that JSON can hold."""
    tf = import_tensorflow()
    if isinstance(shapes, tf.TensorShape):
        return shapes.as_list()
    if isinstance(shapes, Mapping):
        return {key: from_shapes(shape) for key, shape in shapes.items()}
    return shapes if shapes is None else [from_shapes(shape) for shape in shapes]

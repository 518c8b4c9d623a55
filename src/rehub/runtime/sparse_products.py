"""Products of sparse tensors and scalars, whose gradients TensorFlow cannot compute in functions.

In a session, the part of the gradient that fails is not run when nobody asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehub.runtime.tf_version import import_tensorflow

_OPS = frozenset({"SparseDenseCwiseAdd", "SparseDenseCwiseDiv", "SparseDenseCwiseMul"})
_DENSE = 3


def to_vectors(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the nodes of a graph by name, with dense operands of at least one dimension for sparse ones."""
    found: dict[str, Any] = {}
    for name, node in nodes.items():
        if node.op in _OPS:
            one, dense = _times_one(node)
            found |= {one.name: one, dense.name: dense}
            changed = type(node)()
            changed.CopyFrom(node)
            changed.input[_DENSE] = dense.name
            found[name] = changed
        else:
            found[name] = node
    return found


def _times_one(node: Any) -> tuple[Any, Any]:
    """A vector of one 1, and its product with the dense operand."""
    tf = import_tensorflow()
    one, product = type(node)(), type(node)()
    one.name, one.op = f"{node.name}/one", "Const"
    one.attr["dtype"].type = node.attr["T"].type
    one.attr["value"].tensor.CopyFrom(tf.make_tensor_proto([1], tf.as_dtype(node.attr["T"].type)))
    product.name, product.op = f"{node.name}/dense", "Mul"
    product.input.extend([node.input[_DENSE], one.name])
    product.attr["T"].type = node.attr["T"].type
    return one, product

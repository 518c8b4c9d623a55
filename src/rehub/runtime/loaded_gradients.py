"""Gradients of ``tf.custom_gradient`` in loaded models, for copies of the nodes that have them.

TensorFlow loads such a gradient as a function that captures tensors of the graph that it was loaded with. The gradient
of a copied node has to capture the copies of these instead.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rehub.runtime import tf_private
from rehub.runtime.gradient_overrides import ATTRIBUTE
from rehub.runtime.tf_version import import_tensorflow

_copies = itertools.count()


def captured_by(node: Any) -> list[str]:
    """The tensors of the same graph that the gradient of a node needs, besides the gradients of its outputs.

    Args:
        node: A ``NodeDef`` of a graph in which calls were replaced by the nodes of loaded functions.
    """
    function = _gradient_of(node)
    return [] if function is None else [name for name in _captured(node, function) if name]


def give_copy(node: Any, operation: Any, tensor: Callable[[str], Any]) -> None:
    """Lets the copy of a node have the gradient of that, with copies of the tensors that this captured.

    Args:
        node: As for `captured_by`.
        operation: The copy.
        tensor: Gives the copy of a tensor.
    """
    function = _gradient_of(node)
    if function is None:
        return
    tf = import_tensorflow()
    captures = [name and tensor(name).name for name in _captured(node, function)]
    name = f"RehubLoadedGradient_{next(_copies)}"
    tf.RegisterGradient(name)(_bound(node.attr[ATTRIBUTE].s.decode(), captures, weakref.ref(operation)))
    tf_private.set_gradient(operation, name)


def _gradient_of(node: Any) -> Any:
    return tf_private.loaded_gradient(node.attr[ATTRIBUTE].s.decode()) if ATTRIBUTE in node.attr else None


def _bound(registered: str, captures: Sequence[str], copy: Callable[[], Any]) -> Callable[..., Any]:
    """A loaded gradient with other captures.

    TensorFlow registers it for good; so it holds nothing of the graph.

    Args:
        registered: The name of the loaded gradient.
        captures: The names of the tensors of the graph that it captures; nothing for what it captures by itself.
        copy: Gives the operation that has it.
    """
    tf = import_tensorflow()

    def gradient(operation: Any, *gradients: Any) -> Any:
        function = tf_private.loaded_gradient(registered)
        graph = (copy() if operation is None else operation).graph  # tf.saved_model.save asks for the gradient alone
        known = [
            tf.zeros([size or 1 for size in placeholder.shape or []], placeholder.dtype) if each is None else each
            for each, placeholder in zip(gradients, function.inputs, strict=False)
        ]
        pairs = zip(captures, function.captured_inputs, strict=True)
        tensors = [graph.get_tensor_by_name(name) if name else captured for name, captured in pairs]
        return tf_private.call_with_captures(function, known, tensors)

    return gradient


def _captured(node: Any, function: Any) -> list[str]:
    """What stands for each capture of a gradient's function in the graph of a node; nothing for those from outside."""
    tensors = function.captured_inputs
    homes: dict[int, Mapping[str, str]] = {}
    found = []
    for tensor in tensors:
        home = getattr(tensor, "graph", None)
        if home is None or hasattr(tensor, "numpy"):
            found.append("")
            continue
        if id(home) not in homes:
            homes[id(home)] = _names(node, home)
        names = homes[id(home)]
        found.append(names.get(tensor.name, f"{names['']}{tensor.name}"))
    return found


def _names(node: Any, home: Any) -> Mapping[str, str]:
    """What stands for the inputs of a node of a loaded graph, and, under no name, what precedes names of that graph."""
    gradient = node.attr[ATTRIBUTE].s
    for operation in home.get_operations():
        if operation.type == node.op and node.name.endswith(operation.name):
            attributes = operation.node_def.attr
            if ATTRIBUTE in attributes and attributes[ATTRIBUTE].s == gradient:
                inputs = (tensor.name for tensor in operation.inputs)
                return {**dict(zip(inputs, node.input, strict=False)), "": node.name[: -len(operation.name)]}
    return {"": ""}

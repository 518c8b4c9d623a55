"""Gradients of nodes that TensorFlow cannot differentiate once they come from a file.

- Loops of TensorFlow 1 with arrays: TensorFlow's own gradients of arrays fail where control flow of TensorFlow 2 is
  on.
- Loops of TensorFlow 2 that are differentiated twice: TensorFlow 2.15 reads them from the graph once more, after the
  first gradient has added outputs to them, and gives other numbers without a word.
- ``tf.custom_gradient``: the file names a Python function of the process that wrote it. Modules that rehub made hold
  the gradient as a function of the graph, see `rehub.tf1.custom_gradients`.
"""

from __future__ import annotations

import functools
import itertools
import re
import warnings
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from rehub.runtime import tf_private
from rehub.runtime.tf_version import import_tensorflow

ATTRIBUTE = "_gradient_op_type"
FUNCTION = "_rehub_gradient"
"""The attribute of an ``IdentityN`` that names the function of its gradient. It takes the gradients of the first
outputs, then what the inputs beyond them are, and gives the gradients of some inputs."""
ARITY = "_rehub_gradient_arity"
"""How many of the outputs have gradients; the others are there to bring the other inputs along."""
RESULTS = "_rehub_gradient_results"
"""Which inputs the results of the function belong to."""

OF_A_PROCESS = re.compile(rb"[A-Za-z]+-\d+")
"""Names that TensorFlow gives to the gradients of one process."""

_LOOPS = frozenset({"StatelessWhile", "While"})
_ARRAYS = ("Concat", "Gather", "Read", "Scatter", "Split", "Write")
_savable = itertools.count()
_ARRAY_OPS = frozenset(f"TensorArray{kind}V3" for kind in _ARRAYS)


def apply(nodes: Iterable[Any]) -> None:
    """Names the gradients of this module at the nodes that need them, in place."""
    for node in nodes:
        if node.op in _ARRAY_OPS:
            _register()
            node.attr[ATTRIBUTE].s = f"Rehub{node.op}".encode()
        elif node.op in _LOOPS:
            _register()
            node.attr[ATTRIBUTE].s = b"RehubWhile"
        elif ATTRIBUTE in node.attr and OF_A_PROCESS.fullmatch(node.attr[ATTRIBUTE].s):
            _register()
            if node.op != "IdentityN":
                del node.attr[ATTRIBUTE]
            elif FUNCTION in node.attr:
                node.attr[ATTRIBUTE].s = b"RehubCustomGradient"
            else:
                node.attr[ATTRIBUTE].s = b"RehubForwardGradient"


def leave_to_tensorflow(nodes: Iterable[Any]) -> None:
    """Takes the gradients of arrays and loops out of nodes of a function, in place.

    A function is differentiated once, and ``tf.saved_model.save`` runs the gradients that nodes name without a node.
    """
    for node in nodes:
        if ATTRIBUTE in node.attr and (node.op in _ARRAY_OPS or node.op in _LOOPS):
            del node.attr[ATTRIBUTE]


def make_savable(operations: Iterable[Any]) -> None:
    """Gives each custom gradient within a function a name of its own, by which ``tf.saved_model.save`` can write it."""
    tf = import_tensorflow()
    for operation in operations:
        if FUNCTION in operation.node_def.attr:
            name = f"RehubCustomGradient_{next(_savable)}"
            tf.RegisterGradient(name)(_gradient_of(operation))
            tf_private.set_gradient(operation, name)


def _gradient_of(operation: Any) -> Callable[..., list[Any]]:
    """The gradient of an operation, which it does not keep alive: TensorFlow registers gradients for good."""
    own = weakref.ref(operation)
    # tf.saved_model.save asks for the gradient alone.
    return lambda given, *gradients: _custom(own() if given is None else given, *gradients)


@functools.cache
def _register() -> None:
    tf = import_tensorflow()
    for kind in _ARRAYS:
        tf.RegisterGradient(f"RehubTensorArray{kind}V3")(globals()[f"_array_{kind.lower()}"])
    tf.RegisterGradient("RehubWhile")(_loop)
    tf.RegisterGradient("RehubCustomGradient")(_custom)
    tf.RegisterGradient("RehubForwardGradient")(_forward)


def _loop(operation: Any, *gradients: Any) -> Any:
    tf_private.keep_loop_graphs(operation)
    return tf_private.registered_gradient("While")(operation, *gradients)


def _custom(operation: Any, *gradients: Any) -> list[Any]:
    tf = import_tensorflow()
    arity = operation.get_attr(ARITY)
    given = [
        tf.zeros_like(output) if gradient is None else gradient
        for gradient, output in zip(gradients[:arity], operation.outputs[:arity], strict=True)
    ]
    places = operation.get_attr(RESULTS)
    results = tf.raw_ops.PartitionedCall(
        args=[*given, *operation.inputs[arity:]],
        Tout=[operation.inputs[place].dtype for place in places],
        f=operation.get_attr(FUNCTION).name,
    )
    by_place = dict(zip(places, results, strict=True))
    return [by_place.get(place) for place in range(len(operation.inputs))]


def _forward(operation: Any, *gradients: Any) -> tuple[Any, ...]:
    if operation is None:  # tf.saved_model.save asks for the gradient alone
        return gradients
    warnings.warn(
        f"{operation.name!r} had a gradient of its own (tf.custom_gradient), which its file does not hold; the "
        "gradient of the forward computation is used instead. To keep such gradients, export the model with rehub.",
        stacklevel=2,
    )
    return gradients


def _array_read(operation: Any, gradient: Any) -> list[Any]:
    tf = import_tensorflow()
    handle, index, flow = operation.inputs
    array, flow = _gradient_array(handle, flow, gradient)
    return [None, None, tf.raw_ops.TensorArrayWriteV3(handle=array, index=index, value=gradient, flow_in=flow)]


def _array_write(operation: Any, flow: Any) -> list[Any]:
    tf = import_tensorflow()
    handle, index, value, _ = operation.inputs
    array, ready = _gradient_array(handle, flow, flow)
    read = tf.raw_ops.TensorArrayReadV3(handle=array, index=index, flow_in=ready, dtype=value.dtype)
    return [None, None, read, flow]


def _array_gather(operation: Any, gradient: Any) -> list[Any]:
    tf = import_tensorflow()
    handle, indices, flow = operation.inputs
    array, flow = _gradient_array(handle, flow, gradient)
    return [None, None, tf.raw_ops.TensorArrayScatterV3(handle=array, indices=indices, value=gradient, flow_in=flow)]


def _array_scatter(operation: Any, flow: Any) -> list[Any]:
    tf = import_tensorflow()
    handle, indices, value, _ = operation.inputs
    array, ready = _gradient_array(handle, flow, flow)
    gathered = tf.raw_ops.TensorArrayGatherV3(handle=array, indices=indices, flow_in=ready, dtype=value.dtype)
    return [None, None, gathered, flow]


def _array_concat(operation: Any, gradient: Any, _: Any) -> list[Any]:
    tf = import_tensorflow()
    handle, flow = operation.inputs
    array, flow = _gradient_array(handle, flow, gradient)
    lengths = operation.outputs[1]
    return [None, tf.raw_ops.TensorArraySplitV3(handle=array, value=gradient, lengths=lengths, flow_in=flow)]


def _array_split(operation: Any, flow: Any) -> list[Any]:
    tf = import_tensorflow()
    handle, value, _, _ = operation.inputs
    array, ready = _gradient_array(handle, flow, flow)
    joined, _ = tf.raw_ops.TensorArrayConcatV3(handle=array, flow_in=ready, dtype=value.dtype)
    return [None, joined, None, flow]


def _gradient_array(handle: Any, flow: Any, gradient: Any) -> tuple[Any, Any]:
    """The array that collects the gradients of another one, and a flow that begins when it is there."""
    tf = import_tensorflow()
    array, _ = tf.raw_ops.TensorArrayGradV3(handle=handle, flow_in=flow, source=_source(gradient))
    with tf.control_dependencies([array]):
        return array, tf.identity(flow)


def _source(gradient: Any) -> str:
    """What tells the arrays of one call of ``tf.gradients`` from those of the next: the name scope of the call."""
    scopes = gradient.op.name.split("/")
    places = [place for place, scope in enumerate(scopes) if scope.startswith("gradients")]
    return "/".join(scopes[: places[-1] + 1] if places else scopes[:1])

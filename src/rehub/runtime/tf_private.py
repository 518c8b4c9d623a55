"""Private TensorFlow symbols, each with the reason why nothing public does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any


def is_watched(tensors: Sequence[Any]) -> bool:
    """Whether an active tape or forward accumulator may want gradients through these tensors or variable handles.

    No public function tells this: ``tape.watched_variables()`` needs the tape, and knows no tensors.
    """
    from tensorflow.python.ops import gradients_util

    return bool(gradients_util.PossibleTapeGradientTypes(list(tensors)))


def may_record() -> bool:
    """Whether any tape is active in this thread. Nothing public tells."""
    from tensorflow.python.eager import record

    return bool(record.could_possibly_record())


def stop_recording() -> AbstractContextManager[None]:
    """Hides what happens inside from all tapes; ``GradientTape.stop_recording`` needs the tape object."""
    from tensorflow.python.eager import record

    context: AbstractContextManager[None] = record.stop_recording()
    return context


@contextlib.contextmanager
def stop_recording_of_function() -> Iterator[None]:
    """Hides what happens inside from all tapes, also from those around later calls of the function that is traced.

    A function tells the tapes around its calls all the variables that it read; nothing public keeps it from that.
    """
    import tensorflow as tf

    graphs, graph = [], tf.compat.v1.get_default_graph()
    while hasattr(graph, "_watched_variables"):
        graphs.append((graph, list(graph._watched_variables)))
        graph = graph.outer_graph
    with stop_recording():
        yield
    for graph, before in graphs:
        known = {id(variable) for variable in before}
        for variable in list(graph._watched_variables):
            if id(variable) not in known:
                graph._watched_variables.discard(variable)


def has_xla_kernel(op_type: str) -> bool:
    """Whether XLA can compile ops of this type on the CPU. The public way to find out is to crash."""
    from tensorflow.python.framework import kernels

    return any(k.device_type == "XLA_CPU_JIT" for k in kernels.get_registered_kernels_for_op(op_type).kernel)


def trackable_children(obj: Any) -> dict[str, Any]:
    """The objects that a SavedModel of ``obj`` would hold under their names. ``tf.train`` has no listing of them."""
    listing = getattr(obj, "_trackable_children", None)
    return dict(listing()) if listing is not None else {}


def reachable_variables(obj: Any) -> Iterator[Any]:
    """All ``tf.Variable`` objects that hang on a trackable, each once, in an order that its structure alone decides."""
    import tensorflow as tf

    seen: set[int] = set()
    waiting = [obj]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, tf.Variable):
            yield node
        else:
            children = trackable_children(node)
            waiting.extend(children[name] for name in sorted(children, reverse=True))


def is_no_matching_trace(error: Exception) -> bool:
    """Whether a restored function says that no trace fits the call; TensorFlow has no exception class for it."""
    return "Could not find matching concrete function" in str(error) or "Binding inputs to tf.function" in str(error)


def is_cross_replica_call(error: Exception) -> bool:
    """Whether an eager call ran a function that was traced outside of all replicas; there is no class for it."""
    return "a placeholder that is not supposed to be executed" in str(error)


def rename_variable(variable: Any, name: str) -> None:
    """Gives a variable another name. HDF5 files key by names, and loaded variables may all be called the same."""
    variable._handle_name = name

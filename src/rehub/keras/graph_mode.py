"""Layers in a ``tf.Graph`` that sessions run: what Keras 2 cannot know about models in there."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from rehub.runtime.tf_version import import_tensorflow


def is_in_session_graph() -> bool:
    """Whether ops are made in a graph that a session runs, and not eagerly or in the graph of a function."""
    tf = import_tensorflow()
    return not tf.executing_eagerly() and not tf.compat.v1.get_default_graph().building_function


def prepare_gradients(outputs: Any, variables: Sequence[Any]) -> None:
    """Lets programs train what a call returned although a session has run it before: ``predict``, then ``fit``.

    TensorFlow gives the op of a call more outputs when its gradient is first asked for, and sessions ignore changes of
    ops that they know. So the gradient is asked for at once; nobody fetches this one.
    """
    tf = import_tensorflow()
    tensors = [tensor for tensor in tf.nest.flatten(outputs, expand_composites=True) if tensor.dtype.is_floating]
    with contextlib.suppress(Exception):  # a model without gradients can be run; those who train it get the error
        tf.gradients(tensors, list(variables))

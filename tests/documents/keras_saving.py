"""How a Keras model becomes a SavedModel that others can train further, on either Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

ENDS_WITH_SAVE = not hasattr(tf.keras, "version")
"""Whether `Model.save` writes a SavedModel, and layers know `get_output_at`: so in Keras 2 only."""


def export_piece(piece: Any, folder: Path) -> None:
    """Writes a Keras 3 model by hand, in the way of "Saving from low-level TensorFlow"."""
    obj = tf.train.Checkpoint()
    obj.variables = [variable.value for variable in piece.variables]
    obj.trainable_variables = [variable.value for variable in piece.trainable_variables]
    obj.regularization_losses = [
        tf.function(loss_of(variable), input_signature=[])
        for variable in piece.trainable_variables
        if variable.regularizer is not None
    ]
    obj.__call__ = tf.function(lambda inputs, training=False: piece(inputs, training=training))
    for training in (False, True):
        obj.__call__.get_concrete_function(tf.TensorSpec(piece.input_shape, piece.inputs[0].dtype), training=training)
    tf.saved_model.save(obj, str(folder))


def loss_of(variable: Any) -> Any:
    return lambda: variable.regularizer(variable.value)

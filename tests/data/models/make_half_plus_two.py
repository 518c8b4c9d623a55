"""Writes half_plus_two: a Reusable SavedModel of 0.5 * x + 2 for float32 [n]. Argument: the folder."""

import sys

import tensorflow as tf

a, b = tf.Variable(0.5, name="a"), tf.Variable(2.0, name="b")


@tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
def half_plus_two(x):
    return a * x + b


model = tf.train.Checkpoint(variables=[a, b], trainable_variables=[a, b], regularization_losses=[])
model.__call__ = half_plus_two
tf.saved_model.save(model, sys.argv[1], signatures=half_plus_two.get_concrete_function())

"""Writes a SavedModel of Keras 2 into a folder: float32[?, 2] -> float32[?, 1], the sum."""

import sys

import tf_keras

model = tf_keras.Sequential([tf_keras.Input((2,)), tf_keras.layers.Dense(1, kernel_initializer="ones")])
model.save(sys.argv[1], save_format="tf")

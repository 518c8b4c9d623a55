"""Bytes and data classes: each file format that a model folder holds, read without TensorFlow."""

"""Models as TensorFlow objects."""

"""Models as Keras layers."""

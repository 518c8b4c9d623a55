"""The TF1 Hub format: modules are applied, trained, made and exported in graphs of ``tf.compat.v1``."""

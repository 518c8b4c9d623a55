"""Lets programs written for tensorflow_hub run on rehub.

The folder ``site`` beside this file holds a package ``tensorflow_hub`` whose names lead here, and the metadata of
tensorflow_hub 0.16.1. Where it comes before the installed packages, ``import tensorflow_hub``,
``importlib.util.find_spec`` and ``importlib.metadata.version`` find it, with nothing but Python's own ways:
`install_as_tensorflow_hub` puts it on ``sys.path``, which ``multiprocessing`` hands to its children, and
``python -m rehub.alias PROGRAM`` on ``PYTHONPATH``, which all children inherit.
"""

from rehub.alias.install import install_as_tensorflow_hub

__all__ = ["install_as_tensorflow_hub"]

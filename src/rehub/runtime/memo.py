"""The memo of loaded models, for programs that load the same one again and again. On by the setting ``memo``."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from rehub.runtime.tf_version import import_tensorflow

_FILES = ("saved_model.pb", "saved_model.pbtxt", "variables/variables.index")

_lock = threading.RLock()
_models: dict[Hashable, tuple[Hashable, Any]] = {}


def recall(
    path: str, tags: Sequence[str] | None, options: Any, load: Callable[[], Any], only: Sequence[str] | None = None
) -> Any:
    """Returns the object that was loaded before by the same path, tags, options and attributes, else loads it.

    A model that was written anew since is loaded anew, and takes the place of the old one. Objects belong to the
    ``tf.distribute`` strategy in whose scope they were loaded; those of a ``tf.Graph`` are not kept.

    Args:
        path: The model folder.
        tags: Those of the graph, sorted; None for the only one.
        options: A ``tf.saved_model.LoadOptions`` or None.
        load: Loads it.
        only: The attributes that are loaded; None for all.
    """
    tf = import_tensorflow()
    if not tf.compat.v1.executing_eagerly_outside_functions():
        return load()
    chosen = None if options is None else tuple(repr(getattr(options, name)) for name in type(options).__slots__)
    strategy = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None
    folder = os.path.abspath(path)  # noqa: PTH100 - may be gs://
    key = (folder, None if tags is None else tuple(tags), chosen, strategy, only)
    with _lock:
        stamp = tuple(_stamp(tf, os.path.join(path, name)) for name in _FILES)  # noqa: PTH118 - may be gs://
        known = _models.get(key)
        if known is None or known[0] != stamp:
            known = _models[key] = (stamp, load())
        return known[1]


def clear_memo() -> None:
    """Lets go of all models that were kept because of the setting ``memo``."""
    with _lock:
        _models.clear()


def _stamp(tf: Any, path: str) -> Hashable:
    try:
        status = tf.io.gfile.stat(path)
    except tf.errors.NotFoundError:
        return None
    return status.length, status.mtime_nsec

"""``rehub.load``: from a handle to a TensorFlow object."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rehub import handle as handles
from rehub.errors import FormatError, HandleError, SignatureError
from rehub.model import model_info
from rehub.resolvers.chain import lasting, resolve
from rehub.runtime import reusable, tf_private
from rehub.runtime.tf_version import import_tensorflow

_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
_TF1_HUB_FILE = "tfhub_module.pb"


def load(handle: str | os.PathLike[str], tags: Sequence[str] | None = None, options: Any = None) -> Any:
    """Loads a model and returns what ``tf.saved_model.load`` gives for it.

    The object can be pickled and deep-copied: it travels as its handle, plus the variables that were changed since.

    Args:
        handle: A path, or a URL that is resolved through the cache; see `rehub.resolve`.
        tags: The tags of the graph to load, for a model with several. None picks the only one, or, in the TF1 Hub
            format, the one without tags.
        options: A ``tf.saved_model.LoadOptions``.

    Returns:
        The loaded object. A TF2 SavedModel that follows the reusable interface can be called; others offer
        ``.signatures[name](...)``.

    Raises:
        HandleError: If ``handle`` is no path and no URL.
        ResolveError: If no model can be had by it; see `rehub.resolve` for this and for transfer and cache errors.
        FormatError: If the folder holds no SavedModel, or a damaged one.
        SignatureError: If the model has no graph with these tags, or several and none was chosen.
        DependencyError: If TensorFlow is missing or too old.
    """
    if not isinstance(handle, (str, os.PathLike)):
        raise HandleError(
            f"Expected a string, got {handle!r}.",
            hint="hub.load takes a path or a URL; an object that is already loaded goes to hub.KerasLayer as it is.",
            handle=handle,
        )
    tf = import_tensorflow()
    text = os.fspath(handle)
    path = resolve(text)
    if not any(tf.io.gfile.exists(os.path.join(path, name)) for name in _MODEL_FILES):  # noqa: PTH118 - may be gs://
        raise FormatError(
            f"Trying to load a model of incompatible/unknown type. '{path}' contains neither "
            f"'{_MODEL_FILES[0]}' nor '{_MODEL_FILES[1]}'.",
            hint="Give the folder that holds the model itself, often the one named by its version.",
            path=path,
        )
    is_tf1_hub = tf.io.gfile.exists(os.path.join(path, _TF1_HUB_FILE))  # noqa: PTH118 - may be gs://
    if tags is None and is_tf1_hub:
        tags = []
    if isinstance(tags, str):
        tags = [tags]
    tags = None if tags is None else sorted(tags)
    if handles.parse(path).kind is handles.Kind.PATH:
        _check_tags(text, Path(path), tags)
    obj = tf.saved_model.load(path, tags=tags, options=options)
    _remember_origin(obj, lasting(text, path), tags)
    _keep_default_signature(obj)
    obj._is_hub_module_v1 = is_tf1_hub
    return obj


def _check_tags(handle: str, path: Path, tags: Sequence[str] | None) -> None:
    available = model_info.describe(path).tag_sets
    if tags is None and len(available) > 1:
        problem = f"'{handle}' holds {len(available)} graphs and no tags were given."
    elif tags is not None and frozenset(tags) not in map(frozenset, available):
        problem = f"'{handle}' holds no graph with the tags {list(tags)}."
    else:
        return
    listing = ", ".join(str(sorted(tag_set)) for tag_set in available)
    raise SignatureError(
        problem,
        hint=f"Choose one with tags=: {listing}.",
        handle=handle,
        available=tuple(str(sorted(tag_set)) for tag_set in available),
    )


def _keep_default_signature(obj: Any) -> None:
    """Lets ``tf.saved_model.save(obj, folder)`` write ``serving_default`` again, which it would drop otherwise."""
    function = reusable.signatures_of(obj).get("serving_default")
    if function is not None and not hasattr(obj, "_default_save_signature"):
        obj._default_save_signature = function


def _remember_origin(obj: Any, handle: str, tags: Sequence[str] | None) -> None:
    """Makes the object pickle as its handle, by a class of its own: classes of loaded objects may be shared."""
    cls = type(obj)
    facts = {"__reduce_ex__": _reduce, "__module__": cls.__module__, "_origin": (handle, tags)}
    obj.__class__ = type(cls.__name__, (cls,), facts)


def origin_of(obj: Any) -> tuple[str, Sequence[str] | None]:
    """The handle, and the tags, by which just this model can be loaded again, from any folder and at any time."""
    origin: tuple[str, Sequence[str] | None] = type(obj)._origin
    return origin


def changed_values(obj: Any) -> dict[int, Any]:
    """The values of the variables that differ from the published ones, as arrays, by their place in the model."""
    tf = import_tensorflow()
    with tf.init_scope():
        published = list(tf_private.reachable_variables(load(*origin_of(obj))))
        pairs = zip(published, tf_private.reachable_variables(obj), strict=True)
        return {place: new.numpy() for place, (old, new) in enumerate(pairs) if not tf.reduce_all(new == old)}


def apply_changes(obj: Any, changes: Mapping[int, Any]) -> None:
    """Puts the values that `changed_values` found into another copy of the same model."""
    if changes:
        variables = list(tf_private.reachable_variables(obj))
        for place, value in changes.items():
            variables[place].assign(value)


def _reduce(self: Any, _protocol: Any) -> tuple[Any, ...]:
    return _reload, (*origin_of(self), changed_values(self))


def _reload(handle: str, tags: Sequence[str] | None, changes: Mapping[int, Any]) -> Any:
    obj = load(handle, tags)
    apply_changes(obj, changes)
    return obj

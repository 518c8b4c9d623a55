"""``rehub.load``: from a handle to a TensorFlow object."""

from __future__ import annotations

import dataclasses
import functools
import os
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rehub import configuration
from rehub import handle as handles
from rehub.errors import DependencyError, FormatError, HandleError, HubError, SignatureError, UsageError
from rehub.formats import saved_model
from rehub.formats.saved_model import MetaGraph
from rehub.model import lookalike, model_info
from rehub.resolvers.chain import lasting, resolve
from rehub.runtime import memo, policy, reusable, tf_private
from rehub.runtime.missing_ops import load_with_ops
from rehub.runtime.tf_version import import_tensorflow

_MODEL_FILES = (saved_model.FILE_NAME, saved_model.TEXT_FILE_NAME)
_TF1_HUB_FILE = "tfhub_module.pb"


def load(handle: str | os.PathLike[str], tags: Sequence[str] | None = None, options: Any = None) -> Any:
    """Loads a model and returns what ``tf.saved_model.load`` gives for it.

    In eager mode, the object can be pickled and deep-copied: it travels as its handle, plus the variables that were
    changed since. In a ``tf.Graph``, ``tf.compat.v1.global_variables_initializer()`` reads the published values, and
    ``tf.compat.v1.tables_initializer()`` fills the lookup tables; the object belongs to that graph.

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
        DependencyError: If TensorFlow is missing or too old, or lacks an op of the model.
        PolicyError: If the model reaches out of itself and the setting ``op_policy`` is ``refuse``; if it is ``warn``,
            a ``PolicyWarning`` is given.
    """
    if not isinstance(handle, (str, os.PathLike)):
        raise HandleError(
            f"Expected a string, got {handle!r}.",
            hint="hub.load takes a path or a URL; an object that is already loaded goes to hub.KerasLayer as it is.",
            handle=handle,
        )
    graph = _find(os.fspath(handle), tags)
    if configuration.current().memo:
        return memo.recall(graph.path, graph.tags, options, functools.partial(_load, graph, options))
    return _load(graph, options)


@dataclasses.dataclass(frozen=True)
class _Graph:
    """One graph of a model: its handle, its folder, the tags of the graph, and whether it is in the TF1 Hub format."""

    handle: str
    path: str
    tags: Sequence[str] | None
    is_tf1_hub: bool


def _find(handle: str, tags: Sequence[str] | None) -> _Graph:
    tf = import_tensorflow()
    path = resolve(handle)
    try:
        is_model = any(tf.io.gfile.exists(os.path.join(path, name)) for name in _MODEL_FILES)  # noqa: PTH118 - gs://
    except tf.errors.UnimplementedError as error:
        raise DependencyError(
            f"This TensorFlow cannot read {path}: {error.message}.",
            hint="Import a package that teaches it to, such as tensorflow_io, or copy the folder to this machine.",
        ) from error
    if not is_model:
        what, hint = "no model", "Pass the folder that holds the model itself, often the one named by its version."
        if handles.parse(path).kind is handles.Kind.PATH:
            what, hint = lookalike.explain(Path(path))
        raise FormatError(
            f"Trying to load a model of incompatible/unknown type. '{path}' contains neither "
            f"'{_MODEL_FILES[0]}' nor '{_MODEL_FILES[1]}'; it is {what}.",
            hint=hint,
            path=path,
        )
    is_tf1_hub = tf.io.gfile.exists(os.path.join(path, _TF1_HUB_FILE))  # noqa: PTH118 - may be gs://
    if tags is None and is_tf1_hub:
        tags = []
    if isinstance(tags, str):
        tags = [tags]
    tags = None if tags is None else sorted(tags)
    graphs = _read_graphs(path)
    _check_tags(handle, graphs, tags)
    policy.enforce(handle, [graph for graph in graphs if tags is None or graph.tags == frozenset(tags)])
    return _Graph(handle, path, tags, is_tf1_hub)


def _load(graph: _Graph, options: Any = None) -> Any:
    tf = import_tensorflow()
    try:
        obj = load_with_ops(
            lambda: tf.saved_model.load(graph.path, tags=graph.tags, options=options), handle=graph.handle
        )
    except (tf.errors.OpError, OSError, LookupError, ValueError) as error:
        raise _explained(graph, error) from error
    _remember_origin(obj, lasting(graph.handle, graph.path), graph.tags)
    _keep_default_signature(obj)
    obj._is_hub_module_v1 = graph.is_tf1_hub
    return obj


def _explained(graph: _Graph, error: Exception) -> Exception:
    """Says which files are missing, where that is why TensorFlow cannot load a folder; else returns the same error."""
    if isinstance(error, HubError) or handles.parse(graph.path).kind is not handles.Kind.PATH:
        return error
    missing = model_info.missing_files(Path(graph.path))
    if not missing:
        return error
    return FormatError(
        f"'{graph.path}' is no whole model: it lacks {', '.join(missing)}.",
        hint="Copy or export the whole folder again, with all that is below it.",
        path=graph.path,
        member=missing[0],
    )


def _read_graphs(path: str) -> Sequence[MetaGraph]:
    """Reads the graphs of a folder on this machine, or of a remote one, whose file is copied for that."""
    tf = import_tensorflow()
    file = saved_model.find(Path(path))
    if file is not None:
        return saved_model.read(file).meta_graphs
    name = next(name for name in _MODEL_FILES if tf.io.gfile.exists(os.path.join(path, name)))  # noqa: PTH118 - gs://
    with tempfile.TemporaryDirectory(prefix="rehub-") as scratch:
        tf.io.gfile.copy(os.path.join(path, name), str(Path(scratch, name)))  # noqa: PTH118 - gs://
        return saved_model.read(Path(scratch, name)).meta_graphs


def _check_tags(handle: str, graphs: Sequence[MetaGraph], tags: Sequence[str] | None) -> None:
    available = [graph.tags for graph in graphs]
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
    """Makes the object know its handle and graph, by a class of its own: classes of loaded objects may be shared."""
    cls, graph = type(obj), _outermost_graph()
    if graph is not None:
        tf_private.leave_resources_to_session(obj)
    facts = {
        "__reduce_ex__": _reduce,
        "__module__": cls.__module__,
        "_origin": (handle, tags),
        "_graph": None if graph is None else weakref.ref(graph),
    }
    obj.__class__ = type(cls.__name__, (cls,), facts)


def _outermost_graph() -> Any:
    """The ``tf.Graph`` in which variables are made now, also from within functions; None in eager mode."""
    tf = import_tensorflow()
    if tf.compat.v1.executing_eagerly_outside_functions():
        return None
    with tf.init_scope():
        return tf.compat.v1.get_default_graph()


def check_graph(obj: Any) -> None:
    """Refuses to use a loaded object outside of the ``tf.Graph`` that holds its variables, or of eager mode.

    Raises:
        UsageError: It says where the object was loaded and where it is used. TensorFlow would fail when the session
            runs, or speak of the tensors inside.
    """
    if not hasattr(type(obj), "_origin"):
        return
    home, here = type(obj)._graph, _outermost_graph()
    if here is (home and home()):
        return
    there = "in eager mode" if home is None else "in a tf.Graph"
    where = "eagerly" if here is None else "in a tf.Graph" if home is None else "in another one"
    raise UsageError(
        f"The model '{origin_of(obj)[0]}' was loaded {there} and is used {where}.",
        hint="Load it where it is used: call hub.load or hub.KerasLayer inside of the same 'with graph.as_default():'."
        if here is not None
        else "Load it again, outside of 'with graph.as_default():'.",
    )


def origin_of(obj: Any) -> tuple[str, Sequence[str] | None]:
    """The handle, and the tags, by which just this model can be loaded again, from any folder and at any time."""
    origin: tuple[str, Sequence[str] | None] = type(obj)._origin
    return origin


def changed_values(obj: Any) -> dict[int, Any]:
    """The values of the variables that differ from the published ones, as arrays, by their place in the model.

    Raises:
        UsageError: If the object belongs to a ``tf.Graph``.
    """
    tf = import_tensorflow()
    if type(obj)._graph is not None or _outermost_graph() is not None:
        raise UsageError(
            f"The model '{origin_of(obj)[0]}' cannot be pickled or copied in a tf.Graph: its values live in a session.",
            hint="Pickle its handle; or write it in the session, by tf.saved_model.save(model, folder), and load that.",
        )
    with tf.init_scope():
        published = list(tf_private.reachable_variables(_load(_find(*origin_of(obj)))))
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
    obj = _load(_find(handle, tags))  # a copy of its own, also where loaded models are kept
    apply_changes(obj, changes)
    return obj

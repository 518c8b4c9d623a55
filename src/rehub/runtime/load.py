"""``rehub.load``: from a handle to a TensorFlow object."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import os
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rehub import configuration
from rehub import handle as handles
from rehub.errors import DependencyError, FormatError, HandleError, HubError, PolicyError, SignatureError, UsageError
from rehub.formats import saved_model
from rehub.formats.saved_model import MetaGraph
from rehub.model import excerpt, lookalike, model_info
from rehub.resolvers.chain import Network, lasting, resolve, resolve_with
from rehub.runtime import load_options, memo, policy, reusable, slim, tf_private
from rehub.runtime.missing_ops import load_with_ops
from rehub.runtime.tf_version import ImportAside, can_be_imported, import_tensorflow

_MODEL_FILES = (saved_model.FILE_NAME, saved_model.TEXT_FILE_NAME)
_TF1_HUB_FILE = "tfhub_module.pb"
_LIFTED = ("<lifted>",)
_Origin = tuple[str, Sequence[str] | None, Sequence[str] | None]
"""Of a loaded object: handle, tags, and the attributes of the root that were loaded; None for all.

``_LIFTED`` in place of these stands for a model of TensorFlow 1 as an object of TensorFlow 2.
"""

_REST = "_rehub_rest"

_log = logging.getLogger("rehub")


def load(
    handle: str | os.PathLike[str],
    tags: Sequence[str] | None = None,
    options: Any = None,
    *,
    only: Sequence[str] | None = None,
) -> Any:
    """Loads a model and returns what ``tf.saved_model.load`` gives for it.

    In eager mode, the object can be pickled and deep-copied: it travels as its handle, plus the variables that were
    changed since. In a ``tf.Graph``, ``tf.compat.v1.global_variables_initializer()`` reads the published values, and
    ``tf.compat.v1.tables_initializer()`` fills the lookup tables; the object belongs to that graph.

    Args:
        handle: A path, or a URL that is resolved through the cache; see `rehub.resolve`.
        tags: The tags of the graph to load, for a model with several. None picks the only one, or, in the TF1 Hub
            format, the one without tags.
        options: A ``tf.saved_model.LoadOptions``. Under a ``TPUStrategy`` or ``ParameterServerStrategy``, this machine
            reads the files unless they name another ``experimental_io_device``.
        only: The attributes of a TF2 SavedModel that are wanted, such as ``("__call__", "signatures")`` or
            ``("encoder.__call__",)``. With what they need, they load sooner than the whole, and take less memory.
            Saved again, the object is a model that has just these.

    Returns:
        The loaded object. A TF2 SavedModel that follows the reusable interface can be called; others offer
        ``.signatures[name](...)``.

    Raises:
        HandleError: If ``handle`` is no path and no URL.
        ResolveError: If no model can be had by it; see `rehub.resolve` for this and for transfer and cache errors.
        FormatError: If the folder holds no SavedModel, or a damaged one.
        SignatureError: If the model has no graph with these tags, or several and none was chosen; or if it lacks one of
            the attributes in ``only``.
        DependencyError: If TensorFlow is missing or too old, or lacks an op of the model.
        PolicyError: If the model reaches out of itself and the setting ``op_policy`` is ``refuse``; if it is ``warn``,
            a ``PolicyWarning`` is given.
    """
    graph = _find(handle, tags)
    return _load_or_recall(graph, options, None if only is None else excerpt.check(graph.message, only, graph.handle))


def load_for_layer(
    handle: Any, tags: Sequence[str] | None, options: Any, *, calls_signature: bool, trains: bool
) -> Any:
    """Loads what a Keras layer uses of a model; `whole` gives the rest. Models of TensorFlow 1 are lifted.

    Where loaded models are kept, and in a ``tf.Graph``, the whole is loaded; in a graph nothing is lifted.

    Args:
        handle: As for `load`.
        tags: As for `load`.
        options: As for `load`. A model that is lifted is always read on this machine, and whole.
        calls_signature: Whether the layer calls a signature, and not the object itself.
        trains: Whether the layer is trainable from the start.

    Raises:
        ConversionError: If the layer is to train a model of TensorFlow 1 with an op that cannot be lifted.
        SignatureError: If an option asks for something else of a model that is lifted.
        HubError: What `load` raises.
    """
    graph = _find(handle, tags, lifts=_outermost_graph() is None)
    if graph.is_tf1 and _outermost_graph() is None:
        return _load_lifted(graph, options, trains=trains)
    if graph.message is None or configuration.current().memo or _outermost_graph() is not None:
        return _load_or_recall(graph, options, None)
    return _load(graph, options, _used_by_layer(graph.message, calls_signature), keep_rest=True)


def _load_lifted(graph: _Graph, options: Any, *, trains: bool) -> Any:
    """Lifts a model of TensorFlow 1; one that cannot be lifted is loaded as it is, if nobody wants to train it."""
    _check_options(graph.handle, options)
    try:
        return _load_or_recall(graph, options, _LIFTED)
    except (DependencyError, PolicyError):
        raise
    except Exception as error:  # whatever it is, the model may run as it is
        if trains:
            raise
        _log.debug("'%s' is not lifted.", graph.handle, exc_info=True)
        obj = _load_or_recall(graph, options, None)
        obj._lifting_error = error.with_traceback(None)  # whose frames hold the graphs
        return obj


def _check_options(handle: str, options: Any) -> None:
    """Refuses options that a model of TensorFlow 1 cannot follow; ``tf.saved_model.load`` ignores most of them."""
    tf = import_tensorflow()
    usual = tf.saved_model.LoadOptions()
    for name in () if options is None else type(options).__slots__:
        value = getattr(options, name)
        is_here = name == "experimental_io_device" and load_options.is_here(value)
        if value != getattr(usual, name) and not is_here:
            raise SignatureError(
                f"load_options sets {name} to {value!r}. '{handle}' is a model of TensorFlow 1, whose variables are "
                "made anew with the values in its files, which are read on this machine.",
                hint=f"Leave {name} out.",
                handle=handle,
            )


def _used_by_layer(graph: Any, calls_signature: bool) -> list[str]:
    available = set(excerpt.attributes(graph))
    used = available & set(excerpt.REUSABLE)
    if calls_signature and available & {"variables", "trainable_variables"}:
        used.discard("__call__")  # else it tells the variables
    elif not calls_signature and "__call__" in available:
        used.discard("signatures")
    # The root's own variables, too, such as the save_counter of a Checkpoint: then the rest needs no values as a rule.
    nodes = graph.object_graph_def.nodes
    own = {child.local_name for child in nodes[0].children if nodes[child.node_id].WhichOneof("kind") == "variable"}
    return sorted(used | own)


def whole(obj: Any) -> Any:
    """Returns the whole model of a part that `load_for_layer` loaded, on the same variables; others as they are.

    Raises:
        HubError: What `load` raises, if the rest cannot be loaded.
    """
    rest = _rest_of(obj)
    if rest is None:
        return obj
    handle, tags, _ = type(obj)._origin
    with _explained(rest.path):
        return load_with_ops(
            lambda: rest.load(lambda raw: _finish(raw, (handle, tags, None), rest=rest)), handle=handle
        )


def loaded_part(obj: Any) -> Any:
    """Returns the whole model of a part where it was loaded already, else the part."""
    return getattr(_rest_of(obj), "loaded", None) or obj


def shared_by_parts(obj: Any) -> Any:
    """Returns what a part of a model and the whole have in common; for other objects, these themselves."""
    return _rest_of(obj) or obj


def _rest_of(obj: Any) -> slim.Rest | None:
    rest: slim.Rest | None = getattr(obj, "__dict__", {}).get(_REST)
    return rest


@dataclasses.dataclass(frozen=True)
class _Graph:
    """One graph of a model.

    Attributes:
        handle: The model's.
        path: Its folder.
        tags: Of the graph, sorted; None for the only one.
        is_tf1_hub: Whether it is in the TF1 Hub format.
        is_tf1: Whether it is of TensorFlow 1, in that format or not.
        message: The ``MetaGraphDef``, if it can be loaded in parts: it is the only one, and has objects.
    """

    handle: str
    path: str
    tags: Sequence[str] | None
    is_tf1_hub: bool
    is_tf1: bool
    message: Any = dataclasses.field(repr=False)


def _find(handle: Any, tags: Sequence[str] | None, *, lifts: bool = False) -> _Graph:
    """Finds a graph; ``lifts`` tells that a model of TensorFlow 1 is lifted, which checks all its graphs by itself."""
    if not isinstance(handle, (str, os.PathLike)):
        raise HandleError(
            f"Expected a string, got {handle!r}.",
            hint="hub.load takes a path or a URL; an object that is already loaded goes to hub.KerasLayer as it is.",
            handle=handle,
        )
    handle = os.fspath(handle)
    path, tf = _resolve(handle)
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
    is_tf1 = not any(graph.has_object_graph for graph in graphs)
    if not (is_tf1 and lifts):
        policy.enforce(handle, [graph for graph in graphs if tags is None or graph.tags == frozenset(tags)])
    has_parts = len(graphs) == 1 and not is_tf1
    return _Graph(handle, path, tags, is_tf1_hub, is_tf1, graphs[0].message if has_parts else None)


def _resolve(handle: str) -> tuple[str, Any]:
    """Resolves a handle; also returns TensorFlow, which is imported while a model is downloaded."""
    if not can_be_imported():
        tf = import_tensorflow()  # or an error, before anything is downloaded
        return resolve(handle), tf
    aside, settings = ImportAside(), configuration.current()
    path = resolve_with(handle, settings, Network(settings, aside.begin))
    return path, aside.end()


def _load_or_recall(graph: _Graph, options: Any, only: Sequence[str] | None) -> Any:
    if configuration.current().memo:
        return memo.recall(graph.path, graph.tags, options, functools.partial(_load, graph, options, only), only)
    return _load(graph, options, only)


def _load(graph: _Graph, options: Any = None, only: Sequence[str] | None = None, *, keep_rest: bool = False) -> Any:
    """Loads a graph, or a part of it; ``keep_rest`` lets `whole` load the rest."""
    with tf_private.unpartitioned(import_tensorflow().distribute.get_strategy()):
        return _load_here(graph, load_options.read_here(options), only, keep_rest=keep_rest)


def _load_here(graph: _Graph, options: Any, only: Sequence[str] | None, *, keep_rest: bool) -> Any:
    tf = import_tensorflow()
    origin = (lasting(graph.handle, graph.path), graph.tags)
    if only == _LIFTED:
        from rehub.runtime.lift_tf1 import lift

        with _explained(graph.path):
            obj = load_with_ops(lambda: lift(graph.path, graph.tags, handle=graph.handle), handle=graph.handle)
        return _finish(obj, (*origin, _LIFTED), is_tf1_hub=graph.is_tf1_hub)
    part = None if only is None else _load_part(graph, options, only)
    if part is not None:
        obj, rest = part
        return _finish(obj, (*origin, None if rest is None else only), rest=rest if keep_rest else None)
    with _explained(graph.path):
        obj = load_with_ops(
            lambda: tf.saved_model.load(graph.path, tags=graph.tags, options=options), handle=graph.handle
        )
    return _finish(obj, (*origin, None), is_tf1_hub=graph.is_tf1_hub)


def _load_part(graph: _Graph, options: Any, only: Sequence[str]) -> tuple[Any, slim.Rest | None] | None:
    def load_part() -> tuple[Any, slim.Rest | None] | None:
        return slim.load_part(graph.message, graph.path, only, options)

    try:
        part: tuple[Any, slim.Rest | None] | None = load_with_ops(load_part, handle=graph.handle)
        return part
    except Exception:  # noqa: BLE001 - whatever it is, the whole model may load, or says what is wrong with it
        _log.debug("'%s' is loaded whole: loading a part of it failed.", graph.handle, exc_info=True)
        return None


def _finish(obj: Any, origin: _Origin, *, rest: slim.Rest | None = None, is_tf1_hub: bool = False) -> Any:
    """Adds to a loaded object what TensorFlow does not give it."""
    _remember_origin(obj, origin, rest)
    _keep_default_signature(obj)
    obj._is_hub_module_v1 = is_tf1_hub
    return obj


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    """Says which files are missing, where that is why TensorFlow cannot load a folder."""
    tf = import_tensorflow()
    try:
        yield
    except HubError:
        raise
    except (tf.errors.OpError, OSError, LookupError, ValueError) as error:
        is_here = handles.parse(path).kind is handles.Kind.PATH
        missing = model_info.missing_files(Path(path)) if is_here else ()
        if not missing:
            raise
        raise FormatError(
            f"'{path}' is no whole model: it lacks {', '.join(missing)}.",
            hint="Copy or export the whole folder again, with all that is below it.",
            path=path,
            member=missing[0],
        ) from error


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
        hint=f"Choose one by its tags: {listing}.",
        handle=handle,
        available=tuple(str(sorted(tag_set)) for tag_set in available),
    )


def _keep_default_signature(obj: Any) -> None:
    """Lets ``tf.saved_model.save(obj, folder)`` write ``serving_default`` again, which it would drop otherwise."""
    if hasattr(type(obj), "_default_save_signature"):
        return
    function = reusable.signatures_of(obj).get("serving_default")
    if function is not None and not hasattr(obj, "_default_save_signature"):
        obj._default_save_signature = function


def _remember_origin(obj: Any, origin: _Origin, rest: slim.Rest | None) -> None:
    """Makes the object know where it comes from, by a class of its own: classes of loaded objects may be shared."""
    cls, graph = type(obj), _outermost_graph()
    if graph is not None:
        tf_private.leave_resources_to_session(obj)
    facts = {
        "__reduce_ex__": _reduce,
        "__module__": cls.__module__,
        "_origin": origin,
        "_graph": None if graph is None else weakref.ref(graph),
    }
    obj.__class__ = type(cls.__name__, (cls,), facts)
    # Not among these: TensorFlow may keep classes for good. And not by setattr, which would track it.
    object.__setattr__(obj, _REST, rest)


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
    handle, tags, _ = type(obj)._origin
    return handle, tags


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
        handle, tags, only = type(obj)._origin
        published = list(tf_private.reachable_variables(_load(_find(handle, tags), only=only)))
        pairs = zip(published, tf_private.reachable_variables(obj), strict=True)
        return {place: new.numpy() for place, (old, new) in enumerate(pairs) if not tf.reduce_all(new == old)}


def apply_changes(obj: Any, changes: Mapping[int, Any]) -> None:
    """Puts the values that `changed_values` found into another copy of the same model."""
    if changes:
        variables = list(tf_private.reachable_variables(obj))
        for place, value in changes.items():
            variables[place].assign(value)


def _reduce(self: Any, _protocol: Any) -> tuple[Any, ...]:
    handle, tags, only = type(self)._origin
    return _reload, (handle, tags, changed_values(self), only)


def _reload(
    handle: str, tags: Sequence[str] | None, changes: Mapping[int, Any], only: Sequence[str] | None = None
) -> Any:
    obj = _load(_find(handle, tags), only=only)  # a copy of its own, also where loaded models are kept
    apply_changes(obj, changes)
    return obj

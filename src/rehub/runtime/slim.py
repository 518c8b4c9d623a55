"""Models of which only a part is loaded; the rest follows when a user asks for it, on the same variables."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rehub.model.excerpt import excerpt
from rehub.runtime import load_options, tf_private
from rehub.runtime.tf_version import import_tensorflow


def load_part(graph: Any, path: str, only: Iterable[str], options: Any) -> tuple[Any, Rest | None] | None:
    """Loads some attributes of the root object of a SavedModel, and all that they need.

    Args:
        graph: Its ``MetaGraphDef``, the only one of the file, with an object graph.
        path: The folder, which may be remote.
        only: The attributes.
        options: A ``tf.saved_model.LoadOptions`` or None.

    Returns:
        The object, and what it lacks of the model: None if that is nothing. None instead of both if the model has
        something unusual, so that it is better loaded whole.
    """
    if sys.byteorder == "big" or getattr(options, "experimental_load_function_aliases", False):
        return None
    part = excerpt(graph, only, with_graph=False)
    if part is None:
        return None
    objects = tf_private.load_objects(part.message.SerializeToString(), path, options, {})
    if part.is_whole:
        return objects[0], None
    tf = import_tensorflow()
    variables = {place: obj for place, obj in zip(part.places, objects, strict=True) if isinstance(obj, tf.Variable)}
    return objects[0], Rest(graph, path, options, variables)


class Rest:
    """What a loaded part lacks.

    The file is kept in memory: it is small beside the variables, and may be gone when the rest is asked for.

    Args:
        graph: The ``MetaGraphDef`` of the whole model.
        path: Its folder.
        options: A ``tf.saved_model.LoadOptions`` or None.
        variables: Those of the part, by their places in the object graph.

    Attributes:
        path: The folder.
        loaded: The whole object; None until it is loaded.
    """

    def __init__(self, graph: Any, path: str, options: Any, variables: Mapping[int, Any]) -> None:
        tf = import_tensorflow()
        self.path = path
        self.loaded: Any = None
        self._data = graph.SerializeToString()
        self._options = options or tf.saved_model.LoadOptions()
        self._variables = variables
        self._has_more_values = any(
            place not in variables and (node.WhichOneof("kind") == "variable" or node.saveable_objects)
            for place, node in enumerate(graph.object_graph_def.nodes)
        )
        self._strategy = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None
        self._lock = threading.Lock()

    def load(self, finish: Callable[[Any], Any]) -> Any:
        """Returns the whole object, each time the same one, whose variables are those of the part.

        Args:
            finish: Makes the loaded object ready for users.
        """
        with self._lock:
            if self.loaded is None:
                with import_tensorflow().init_scope(), self._scope():
                    self.loaded = finish(self._load())
                self._data = b""
            return self.loaded

    @contextlib.contextmanager
    def _scope(self) -> Iterator[None]:
        present = import_tensorflow().distribute.get_strategy()
        strategy = self._strategy or present
        with contextlib.nullcontext() if strategy is present else strategy.scope(), tf_private.unpartitioned(strategy):
            yield

    def _load(self) -> Any:
        if not self._has_more_values:
            return tf_private.load_objects(self._data, self.path, self._without_values(), self._variables)[0]
        with _kept_values(self._variables.values()):
            return tf_private.load_objects(self._data, self.path, self._options, self._variables)[0]

    def _without_values(self) -> Any:
        return load_options.changed(self._options, experimental_skip_checkpoint=True)


@contextlib.contextmanager
def _kept_values(variables: Iterable[Any]) -> Iterator[None]:
    """Gives variables the values again that they have now, whatever is assigned to them inside."""
    # Of a variable with a copy for each replica, each has a value of its own.
    copies = [copy for variable in variables for copy in getattr(variable, "values", (variable,))]
    values = [copy.read_value() for copy in copies]
    try:
        yield
    finally:
        for copy, value in zip(copies, values, strict=True):
            copy.assign(value)

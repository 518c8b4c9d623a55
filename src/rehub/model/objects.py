"""The tree of Python objects that a TF2 SavedModel holds, as ``tf.saved_model.load`` makes it again."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

from rehub.formats.saved_model import DamagedError

_MAX_PATHS_BYTES = 1 << 26
"""Bound for all paths together: far above any real model; a crafted file must not fill memory."""
_TOO_DEEP = "its objects are nested deeper than in any real model"

_KINDS = {
    "_generic_user_object": "object",
    "trackable_list_wrapper": "list",
    "trackable_tuple_wrapper": "tuple",
    "trackable_dict_wrapper": "dict",
    "signature_map": "signatures",
}
_FUNCTION = "function"
_CLOSED = frozenset({"function", "bare_concrete_function"})
"""Kinds whose children are traces and what they capture, and no attributes."""


@dataclasses.dataclass(frozen=True)
class ModelObject:
    """One attribute somewhere below the loaded object.

    Attributes:
        path: The attributes that lead there, with ``.`` between them; empty for the loaded object itself.
        name: The last of them.
        depth: Their number.
        kind: ``object``, ``list``, ``dict``, ``function``, ``variable``, ``asset``, ``resource`` and so on; what the
            file says for a class of a library, such as ``_tf_keras_layer``.
        detail: More about it: the class of a resource or a Keras object, the name of an asset.
        same_as: The path of the object that this is, too; its children are listed there. None where it is listed here.
        node: Its place in the object graph.
    """

    path: str
    name: str
    depth: int
    kind: str
    detail: str
    same_as: str | None
    node: int

    @property
    def is_public(self) -> bool:
        """Whether the publisher meant it to be used: no attribute of the path is private, or of Keras 2's inside."""
        return not any(_is_private(name) for name in self.path.split("."))


def objects(graph: Any, classes: Mapping[int, str]) -> tuple[ModelObject, ...]:
    """Returns the tree, each object before its children; empty for a graph without objects.

    An object that several paths lead to is listed in full under the shortest of the public ones.

    Args:
        graph: A ``MetaGraphDef`` whose references lead somewhere.
        classes: Names of Python classes by node, where they are known.

    Raises:
        DamagedError: If the paths are longer than any real model has them.
    """
    nodes = graph.object_graph_def.nodes
    if not nodes:
        return ()
    first, paths = _shortest(nodes)
    described = [_described(graph, node, classes.get(place)) for place, node in enumerate(nodes)]
    found, waiting, length = [], [(0, "", "", 0, True)], 0
    while waiting:
        node, path, name, depth, is_first = waiting.pop()
        found.append(
            ModelObject(
                path,
                name,
                depth,
                *described[node],
                None if is_first else paths[node],
                node,
            )
        )
        if not is_first or described[node][0] == _FUNCTION:
            continue
        children = nodes[node].children
        length += len(children) * len(path)
        if length > _MAX_PATHS_BYTES:
            raise DamagedError(_TOO_DEEP)
        waiting.extend(
            (child.node_id, _join(path, child.local_name), child.local_name, depth + 1, (node, place) in first)
            for place, child in reversed(list(enumerate(children)))
        )
    return tuple(found)


def _shortest(nodes: Any) -> tuple[set[tuple[int, int]], dict[int, str]]:
    """The edge by which each object is reached first, as node and place of the child, and its path.

    Private attributes are followed only when public ones lead nowhere new.
    """
    first, paths, length = set[tuple[int, int]](), {0: ""}, 0
    public, private = collections.deque([0]), collections.deque[tuple[int, int]]()
    while public or private:
        if public:
            parent = public.popleft()
            edges: list[tuple[int, int]] = []
            if nodes[parent].WhichOneof("kind") not in _CLOSED:
                for place, child in enumerate(nodes[parent].children):
                    (private if _is_private(child.local_name) else edges).append((parent, place))
        else:
            edges = [private.popleft()]
        for parent, place in edges:
            child = nodes[parent].children[place]
            if child.node_id in paths:
                continue
            path = paths[child.node_id] = _join(paths[parent], child.local_name)
            length += len(path)
            if length > _MAX_PATHS_BYTES:
                raise DamagedError(_TOO_DEEP)
            first.add((parent, place))
            public.append(child.node_id)
    return first, paths


def _is_private(name: str) -> bool:
    return name == "keras_api" or (name.startswith("_") and name != "__call__")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _described(graph: Any, node: Any, class_name: str | None) -> tuple[str, str]:
    """Kind and detail."""
    kind = node.WhichOneof("kind") or "object"
    if kind == "user_object":
        identifier = node.user_object.identifier
        return _KINDS.get(identifier, identifier), class_name or node.registered_name
    if kind == "asset":
        return kind, graph.asset_file_def[node.asset.asset_file_def_index].filename
    return (_FUNCTION if kind in _CLOSED else kind), node.registered_name

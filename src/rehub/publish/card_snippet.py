"""The code in a card that loads a model and calls it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rehub.model.program import data_inputs, node_of
from rehub.publish.rules.subject import Subject
from rehub.signature import TensorSpec

_BATCH = 2
_SIZE, _PIXELS = 8, 224
_CHANNELS = (1, 3, 4)
_TEXTS = ("a text", "and another one")
_PREFERRED = ("default", "serving_default")


def snippet(subject: Subject, handle: str) -> list[str]:
    """Returns lines of Python that call a model with inputs of the right shapes.

    Args:
        subject: The model.
        handle: What it is loaded by.
    """
    head = ["import rehub as hub", "import tensorflow as tf", ""]
    call = _call(subject)
    if call is not None:
        code = expression(call)
        if code:
            return [*head, f"model = hub.load({json.dumps(handle)})", f"outputs = model({code})", "print(outputs)"]
    graph = subject.main_graph
    names = {each.name: each for each in graph.signatures if not _takes_examples(subject, each.name)}
    name = next((name for name in (*_PREFERRED, *sorted(names)) if name in names), None)
    inputs = {} if name is None else {spec.name: expression(spec) for spec in names[name].inputs}
    tags = sorted(graph.tags)
    with_tags = f", tags={json.dumps(tags)}" if len(subject.info.meta_graphs) > 1 and tags else ""
    load = f"model = hub.load({json.dumps(handle)}{with_tags})"
    if name is None or not all(inputs.values()):
        return [head[0], "", load]
    arguments = ", ".join(f"{key}={code}" for key, code in inputs.items())
    if not all(key.isidentifier() for key in inputs):
        arguments = f"**{{{', '.join(f'{json.dumps(key)}: {code}' for key, code in inputs.items())}}}"
    return [*head, load, f"outputs = model.signatures[{json.dumps(name)}]({arguments})", "print(outputs)"]


def _takes_examples(subject: Subject, signature: str) -> bool:
    """Whether it takes serialized ``tf.train.Example`` messages, as those of Estimators do."""
    for graph in subject.graphs:
        if graph.tags == subject.main_graph.tags and not graph.has_object_graph:
            inputs = {node_of(info.name) for info in graph.message.signature_def[signature].inputs.values()}
            parsing = (node for node in graph.message.graph_def.node if node.op.startswith("Parse"))
            return any(node_of(name) in inputs for node in parsing for name in data_inputs(node))
    return False


def _call(subject: Subject) -> Any:
    """The input of the first trace of ``__call__`` for inference that has no other tensors; None without one."""
    for trace in subject.root.call.traces if subject.root is not None else ():
        first, *others = trace.arguments or (("", None),)
        is_plain = not any(isinstance(value, TensorSpec) for _, value in others)
        if first[1] is not None and is_plain and dict(others).get("training") is not True:
            return first[1]
    return None


def expression(nest: Any) -> str:
    """Returns Python for a value of some shape and dtype; empty for kinds that have rules of their own."""
    if isinstance(nest, TensorSpec):
        return _tensor(nest)
    if isinstance(nest, Mapping):
        parts = {key: expression(value) for key, value in nest.items()}
        listed = ", ".join(f"{json.dumps(str(key))}: {code}" for key, code in parts.items())
        return f"{{{listed}}}" if all(parts.values()) else ""
    if isinstance(nest, (list, tuple)):
        codes = [expression(value) for value in nest]
        left, right = ("[", "]") if isinstance(nest, list) else ("(", ",)" if len(codes) == 1 else ")")
        return f"{left}{', '.join(codes)}{right}" if all(codes) else ""
    return repr(nest)


def _tensor(spec: TensorSpec) -> str:
    if spec.kind == "other" or spec.dtype in ("resource", "variant"):
        return ""
    shape = _sizes(spec.shape)
    dense = _dense(spec.dtype, shape)
    if spec.kind == "sparse":
        return f"tf.sparse.from_dense({dense})"
    return f"tf.RaggedTensor.from_tensor({dense})" if spec.kind == "ragged" and len(shape) > 1 else dense


def _dense(dtype: str, shape: Sequence[int]) -> str:
    if dtype != "string":
        return f"tf.zeros({list(shape)}, tf.{dtype})"
    if list(shape) == [_BATCH]:
        return f"tf.constant({json.dumps(list(_TEXTS))})"
    return f"tf.fill({list(shape)}, {json.dumps(_TEXTS[0])})"


def _sizes(shape: tuple[int | None, ...] | None) -> list[int]:
    axes = (None,) if shape is None else shape
    is_image = len(axes) == 4 and axes[-1] in _CHANNELS
    return [
        (size if size is not None else _BATCH if place == 0 else _PIXELS if is_image else _SIZE)
        for place, size in enumerate(axes)
    ]

"""Trying a module out: a function that runs it in a session of its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from typing import Any

from rehub.runtime import signature_tensors
from rehub.runtime.tf_version import import_tensorflow
from rehub.tf1.module import Module
from rehub.tf1.module_spec import ModuleSpec, as_module_spec


@contextlib.contextmanager
def eval_function_for_module(
    spec: ModuleSpec | str | os.PathLike[str], tags: Collection[str] | None = None
) -> Iterator[Callable[..., Any]]:
    """Gives a function ``f(inputs=None, signature=None, as_dict=None)`` from arrays to arrays, for a ``with`` block.

    Each combination of signature and ``as_dict`` adds ops once; the values of the variables are the published ones.

    Args:
        spec: A path, a URL, or a `ModuleSpec`.
        tags: The tags of the graph variant.

    Raises:
        HubError: What `Module` and its calls raise.
    """
    tf = import_tensorflow()
    spec = as_module_spec(spec)
    with tf.Graph().as_default():
        module = Module(spec, tags=tags)
        known: dict[tuple[str | None, bool], tuple[Any, Any]] = {}
        with tf.compat.v1.Session() as session:
            session.run([tf.compat.v1.global_variables_initializer(), tf.compat.v1.tables_initializer()])

            def evaluate(inputs: Any = None, signature: str | None = None, as_dict: bool | None = None) -> Any:
                key = signature, bool(as_dict)
                if key not in known:
                    with module.graph.as_default():
                        known[key] = _apply(module, *key)
                feeds, outputs = known[key]
                values = signature_tensors.by_name(feeds, inputs)
                return session.run(outputs, {feeds[name]: value for name, value in values.items()})

            yield evaluate


def _apply(module: Module, signature: str | None, as_dict: bool) -> tuple[dict[str, Any], Any]:
    tf = import_tensorflow()
    infos = module.get_input_info_dict(signature)
    feeds = {
        name: tf.nest.map_structure(
            lambda spec: tf.compat.v1.placeholder(spec.dtype, spec.shape), info.type_spec, expand_composites=True
        )
        for name, info in infos.items()
    }
    return feeds, module(feeds, signature=signature, as_dict=as_dict)

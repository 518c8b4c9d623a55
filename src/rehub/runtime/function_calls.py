"""Calls of functions within a graph, replaced by the nodes of the functions.

Gradients of a call can only be had from the Python object of the function, which a graph from a file lacks; those of
single nodes can always be had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rehub.model import inlining
from rehub.model.inlining import Inlined, inline_library
from rehub.model.program import function_names
from rehub.runtime import tf_private
from rehub.runtime.gradient_overrides import FUNCTION

__all__ = ["Inlined", "inline", "inline_library", "reachable_library", "rename"]


def inline(nodes: Iterable[Any], library: Any) -> Inlined:
    """Replaces the calls of functions in a graph, see `rehub.model.inlining.inline`."""
    return inlining.inline(nodes, library, tf_private.output_counts)


def reachable_library(nodes: Iterable[Any], library: Any) -> Any:
    """Returns the part of a ``FunctionDefLibrary`` that some nodes need."""
    functions = {function.signature.name: function for function in library.function}
    gradients = {gradient.function_name: gradient for gradient in library.gradient}
    found: dict[str, None] = {}
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        own_gradient = node.attr[FUNCTION].func.name if FUNCTION in node.attr else ""
        for name in (node.op, own_gradient, *function_names(node, passed_on=True)):
            names = [name, gradients[name].gradient_func] if name in gradients else [name]
            for each in names:
                if each in functions and each not in found:
                    found[each] = None
                    waiting += functions[each].node_def
    needed = type(library)()
    needed.function.extend(functions[name] for name in functions if name in found)
    needed.gradient.extend(gradient for name, gradient in gradients.items() if name in found)
    return needed


def rename(nodes: Iterable[Any], library: Any, new_name: Callable[[str], str]) -> None:
    """Gives the functions of a library other names, there and in all nodes, in place."""
    names = {function.signature.name: new_name(function.signature.name) for function in library.function}
    if not names:
        return
    for function in library.function:
        function.signature.name = names[function.signature.name]
    for gradient in library.gradient:
        gradient.function_name = names.get(gradient.function_name, gradient.function_name)
        gradient.gradient_func = names.get(gradient.gradient_func, gradient.gradient_func)
    for node in (*nodes, *(node for function in library.function for node in function.node_def)):
        node.op = names.get(node.op, node.op)
        _rename_attributes(node, names)


def _rename_attributes(holder: Any, names: Mapping[str, str]) -> None:
    for value in holder.attr.values():
        kind = value.WhichOneof("value")
        for function in [value.func] if kind == "func" else value.list.func if kind == "list" else ():
            function.name = names.get(function.name, function.name)
            _rename_attributes(function, names)

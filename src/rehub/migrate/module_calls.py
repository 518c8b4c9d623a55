"""hub.Module in programs of TensorFlow 2, which have no graph to put it into: hub.KerasLayer or hub.load instead.

Source: TensorFlow Hub, "Migrating from TF1 to TF2" and "Model compatibility for TF1/TF2".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import libcst as cst
from libcst import metadata

from rehub.migrate.finding import Edit, Finding
from rehub.migrate.hub_names import GRAPH_MODE
from rehub.migrate.program import Program, argument, dotted, string
from rehub.migrate.style import Style

_DEFAULT = "default"
_METHODS = {
    "export": "hub.export, or tf.saved_model.save on what hub.load returns",
    "get_attached_message": "hub.load_module_spec(handle).get_attached_message",
    "get_input_info_dict": "the signatures in hub.inspect(handle).meta_graphs",
    "get_output_info_dict": "the signatures in hub.inspect(handle).meta_graphs",
    "get_signature_names": "hub.load(handle).signatures",
    "variable_map": "the variables of hub.load(handle)",
    "variables": "the variables of hub.load(handle)",
}


@dataclasses.dataclass(frozen=True)
class _Application:
    """One call of a module: ``module(inputs, signature=…, as_dict=…)``."""

    node: cst.Call
    inputs: cst.Arg
    signature: str
    as_dict: bool


class _LeftToPeopleError(Exception):
    """Why a module cannot be rewritten."""


def find(program: Program, written_for: Style, *, to_tf2: bool) -> Iterator[Finding]:
    """Yields the uses of the APIs of TensorFlow 1."""
    is_rewritten = to_tf2 or written_for is Style.EAGER
    for node, name in program.hub_uses:
        call = program.parent(node)
        if name == "Module" and isinstance(call, cst.Call) and call.func is node and is_rewritten:
            yield _rewritten(program, call)
        elif name == "Module" and written_for is Style.UNCLEAR and not to_tf2:
            fix = "pass --to-tf2 to have it rewritten, or use it within tf.Graph().as_default()"
            yield Finding("M204", program.line(node), "hub.Module needs a graph, and nothing here makes one", fix)
        elif name in ("text_embedding_column", "image_embedding_column", "sparse_text_embedding_column"):
            yield _column(program, node, name, is_rewritten)
        elif name.partition(".")[0] in GRAPH_MODE:
            yield Finding("M201", program.line(node), f"hub.{name} works as it is, in graph mode")


def _rewritten(program: Program, call: cst.Call) -> Finding:
    line, what = program.line(call), "hub.Module needs a graph, which TensorFlow 2 has none of"
    try:
        applications = _applications(program, call)
        if len({(it.signature, it.as_dict) for it in applications}) == 1:
            fix, edits = "hub.KerasLayer", tuple(_as_layer(program, call, applications))
        else:
            fix, edits = "hub.load and its signatures", tuple(_as_loaded(program, call, applications))
    except _LeftToPeopleError as reason:
        return Finding("M203", line, f"{what}, and {reason}", "see docs/migrating_code.md for what takes its place")
    return Finding("M202", line, what, fix, edits)


def _applications(program: Program, call: cst.Call) -> list[_Application]:
    above = program.parent(call)
    if isinstance(above, cst.Call) and above.func is call:
        return [_application(program, above)]
    if not (isinstance(above, cst.Assign) and len(above.targets) == 1):
        raise _LeftToPeopleError("it is not assigned to a name")
    target = above.targets[0].target
    if isinstance(target, cst.Name):
        uses = _uses_of_variable(program, target)
    elif isinstance(target, cst.Attribute) and dotted(target).startswith("self."):
        uses = _uses_of_attribute(program, target)
    else:
        raise _LeftToPeopleError("it is not assigned to a name")
    if not uses:
        raise _LeftToPeopleError("it is not called here")
    return [_application(program, _call_of(program, use)) for use in uses]


def _uses_of_variable(program: Program, target: cst.Name) -> list[cst.CSTNode]:
    scope = program.scope(target)
    assert scope is not None
    if isinstance(scope, metadata.ClassScope):
        raise _LeftToPeopleError(f"{target.value} belongs to a class")
    assignments = list(scope[target.value])
    if len(assignments) > 1:
        raise _LeftToPeopleError(f"{target.value} is assigned more than once")
    found = [access.node for assignment in assignments for access in assignment.references]
    if any(isinstance(assignment, metadata.BuiltinAssignment) for assignment in assignments):
        raise _LeftToPeopleError(f"{target.value} is a name of Python's")
    return sorted(set(found), key=program.span)


def _uses_of_attribute(program: Program, target: cst.Attribute) -> list[cst.CSTNode]:
    name = dotted(target)
    home = next((it for it in program.around(target) if isinstance(it, cst.ClassDef)), None)
    found = [
        node
        for node in program.all(cst.Attribute)
        if node is not target and dotted(node) == name and home is not None and home in program.around(node)
    ]
    if any(isinstance(program.parent(node), cst.AssignTarget) for node in found):
        raise _LeftToPeopleError(f"{name} is assigned more than once")
    return list(found)


def _call_of(program: Program, use: cst.CSTNode) -> cst.Call:
    above = program.parent(use)
    if isinstance(above, cst.Call) and above.func is use:
        return above
    if isinstance(above, cst.Attribute):
        method = above.attr.value
        instead = f" (instead: {_METHODS[method]})" if method in _METHODS else ""
        raise _LeftToPeopleError(f"line {program.line(use)} uses its .{method}{instead}")
    raise _LeftToPeopleError(f"line {program.line(use)} passes it on")


def _application(program: Program, call: cst.Call) -> _Application:
    line = program.line(call)
    inputs, signature, as_dict = argument(call, "inputs", 0), argument(call, "signature"), argument(call, "as_dict")
    known = [it for it in (inputs, signature, as_dict) if it is not None]
    if inputs is None or len(known) != len(call.args):
        raise _LeftToPeopleError(f"line {line} calls it with other arguments than inputs, signature and as_dict")
    name = _DEFAULT if signature is None or dotted(signature.value) == "None" else string(signature.value)
    if name is None:
        raise _LeftToPeopleError(f"line {line} computes the name of the signature")
    wanted = "False" if as_dict is None else dotted(as_dict.value)
    if wanted not in ("True", "False", "None"):
        raise _LeftToPeopleError(f"line {line} computes as_dict")
    return _Application(call, inputs, name, wanted == "True")


def _as_layer(program: Program, call: cst.Call, applications: Sequence[_Application]) -> Iterator[Edit]:
    handle, trainable, name, tags = _arguments(call)
    first = applications[0]
    is_trained = trainable is not None and dotted(trainable.value) != "False"
    yield _constructor(program, call, "KerasLayer")
    yield from _renamed(program, handle, "handle" if handle.keyword else None)
    if name is not None:
        yield from _renamed(program, name, "name")
    yield from _passed_tags(program, call, tags, is_trained)
    added = [f'signature="{first.signature}"'] if first.signature != _DEFAULT else []
    added += ["signature_outputs_as_dict=True"] if first.as_dict else []
    if added:
        end = max(program.span(arg)[1] for arg in call.args if arg is not tags or _is_passed(tags, is_trained))
        yield Edit(end, end, "".join(f", {code}" for code in added))
    for it in applications:
        yield from _without(program, it.node, [arg for arg in it.node.args if arg is not it.inputs])
        yield from _renamed(program, it.inputs, None)


def _as_loaded(program: Program, call: cst.Call, applications: Sequence[_Application]) -> Iterator[Edit]:
    handle, trainable, name, tags = _arguments(call)
    if trainable is not None and dotted(trainable.value) != "False":
        raise _LeftToPeopleError("it is trainable and called in several ways: make one hub.KerasLayer for each")
    yield _constructor(program, call, "load")
    yield from _renamed(program, handle, "handle" if handle.keyword else None)
    yield from _without(program, call, [arg for arg in (trainable, name) if arg is not None])
    yield from _passed_tags(program, call, tags, is_trained=False)
    for it in applications:
        end = program.span(it.node.func)[1]
        yield Edit(end, end, f'.signatures["{it.signature}"]')
        yield from _without(program, it.node, [arg for arg in it.node.args if arg is not it.inputs])
        yield from _renamed(program, it.inputs, None)
        yield from _as_keywords(program, it.inputs.value)
        if not it.as_dict:
            end = program.span(it.node)[1]
            yield Edit(end, end, f'["{_DEFAULT}"]')


def _passed_tags(program: Program, call: cst.Call, tags: cst.Arg | None, is_trained: bool) -> Iterator[Edit]:
    if tags is not None and _is_passed(tags, is_trained):
        yield from _renamed(program, tags, "tags")
    elif tags is not None:
        yield from _without(program, call, [tags])


def _constructor(program: Program, call: cst.Call, function: str) -> Edit:
    if not isinstance(call.func, cst.Attribute):
        raise _LeftToPeopleError("it is imported by its name: write import rehub as hub, and hub.Module")
    return program.replacing(call.func.attr, function)


def _arguments(call: cst.Call) -> tuple[cst.Arg, cst.Arg | None, cst.Arg | None, cst.Arg | None]:
    """Returns handle, trainable, name and tags."""
    handle, *others = (argument(call, name, at) for at, name in enumerate(("spec", "trainable", "name", "tags")))
    if handle is None or sum(it is not None for it in (handle, *others)) != len(call.args):
        raise _LeftToPeopleError("its arguments are not written out")
    return handle, others[0], others[1], others[2]


def _is_passed(tags: cst.Arg, is_trained: bool) -> bool:
    """Whether tags are passed on: a layer that trains takes the graph for training by itself."""
    values = {string(element.value) for element in getattr(tags.value, "elements", ())}
    if isinstance(tags.value, cst.Call) and dotted(tags.value.func) in ("set", "frozenset") and not tags.value.args:
        return False
    if dotted(tags.value) == "None" or (not values and isinstance(tags.value, cst.List | cst.Tuple)):
        return False
    if not values or None in values:
        raise _LeftToPeopleError("its tags are computed: hub.KerasLayer takes the graph for training by itself")
    return not (is_trained and values == {"train"})


def _renamed(program: Program, arg: cst.Arg, name: str | None) -> Iterator[Edit]:
    """Yields the edit that gives an argument another name, or with None, no name."""
    start, value = program.span(arg)[0], program.span(arg.value)[0]
    if name is None and arg.keyword is not None:
        yield Edit(start, value, "")
    elif name is not None and arg.keyword is None:
        yield Edit(start, start, f"{name}=")
    elif name is not None and arg.keyword is not None and arg.keyword.value != name:
        yield program.replacing(arg.keyword, name)


def _without(program: Program, call: cst.Call, removed: Sequence[cst.Arg]) -> Iterator[Edit]:
    """Yields the edits that remove arguments, with the comma before them or, of the first ones, behind them."""
    for arg in removed:
        index = call.args.index(arg)
        if all(other in removed for other in call.args[:index]):
            edit = Edit(program.span(arg)[0], program.span(call.args[index + 1])[0], "")
        else:
            edit = Edit(program.span(call.args[index - 1])[1], program.span(arg)[1], "")
        if "#" in program.between(edit.start, edit.end).replace(program.code(arg), ""):
            raise _LeftToPeopleError("a comment stands between arguments that have to go")
        yield edit


def _as_keywords(program: Program, inputs: cst.BaseExpression) -> Iterator[Edit]:
    """Yields the edits by which a function takes inputs that a module took as a dict."""
    start, end = program.span(inputs)
    if isinstance(inputs, cst.Dict):
        yield Edit(start, start, "**")
    elif isinstance(inputs, cst.Call) and dotted(inputs.func) == "dict" and inputs.args:
        if all(arg.keyword for arg in inputs.args):
            yield Edit(start, program.span(inputs.args[0])[0], "")
            yield Edit(program.span(inputs.args[-1])[1], end, "")
        else:
            yield Edit(start, start, "**")


def _column(program: Program, node: cst.CSTNode, name: str, is_rewritten: bool) -> Finding:
    line = program.line(node)
    if not is_rewritten:
        return Finding("M201", line, f"hub.{name} works as it is, in graph mode")
    what = f"hub.{name} is for Estimators and tf.compat.v1.feature_column"
    call = program.parent(node)
    if name != "text_embedding_column" or not (isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute)):
        return Finding("M206", line, what, "use hub.KerasLayer on the input itself")
    given = [argument(call, key, position) for position, key in enumerate(("key", "module_spec", "trainable"))]
    if None in given[:2] or sum(it is not None for it in given) != len(call.args):
        return Finding("M206", line, what, "use hub.text_embedding_column_v2")
    handle, trainable = given[1], given[2]
    assert handle is not None
    edits = [program.replacing(call.func.attr, f"{name}_v2")]
    edits += _renamed(program, handle, "module_path" if handle.keyword else None)
    edits += _renamed(program, trainable, "trainable") if trainable is not None else ()
    return Finding("M206", line, what, f"hub.{name}_v2, in DenseFeatures of Keras 2", tuple(edits))

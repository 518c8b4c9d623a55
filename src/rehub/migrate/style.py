"""Which TensorFlow a program is written for, and what of TensorFlow 1 it uses beside tensorflow_hub."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence

import libcst as cst

from rehub.migrate.finding import Edit, Finding
from rehub.migrate.hub_names import ESTIMATORS
from rehub.migrate.program import Dotted, Program, dotted

_V1 = "compat.v1."
_NEITHER = frozenset({"app", "flags", "gfile", "logging", "keras", "data", "io", "set_random_seed"})

# What makes a graph, or runs one. TensorFlow 2 has these in tf.compat.v1 only.
_GRAPH_NAMES = frozenset(
    {
        "ConfigProto",
        "GraphKeys",
        "GPUOptions",
        "InteractiveSession",
        "Session",
        "add_to_collection",
        "app",
        "assign",
        "disable_eager_execution",
        "disable_v2_behavior",
        "flags",
        "get_collection",
        "get_default_graph",
        "get_default_session",
        "get_local_variable",
        "get_variable",
        "get_variable_scope",
        "gfile",
        "global_variables",
        "global_variables_initializer",
        "initialize_all_tables",
        "initialize_all_variables",
        "layers",
        "local_variables",
        "local_variables_initializer",
        "logging",
        "placeholder",
        "placeholder_with_default",
        "py_func",
        "reset_default_graph",
        "set_random_seed",
        "tables_initializer",
        "trainable_variables",
        "variable_scope",
        "variables_initializer",
        "wrap_function",
    }
)
_GRAPH_PARTS = frozenset(
    {
        "feature_column.input_layer",
        "feature_column.linear_model",
        "image.resize_images",
        "losses.add_loss",
        "losses.get_regularization_loss",
        "losses.get_regularization_losses",
        "losses.get_total_loss",
        "losses.mean_squared_error",
        "losses.sigmoid_cross_entropy",
        "losses.softmax_cross_entropy",
        "losses.sparse_softmax_cross_entropy",
        "saved_model.simple_save",
        "summary.FileWriter",
        "summary.merge_all",
        "train.AdagradOptimizer",
        "train.AdamOptimizer",
        "train.FtrlOptimizer",
        "train.GradientDescentOptimizer",
        "train.MomentumOptimizer",
        "train.MonitoredTrainingSession",
        "train.Optimizer",
        "train.ProximalAdagradOptimizer",
        "train.RMSPropOptimizer",
        "train.Saver",
        "train.create_global_step",
        "train.get_global_step",
        "train.get_or_create_global_step",
    }
)
_EAGER_NAMES = frozenset({"GradientTape", "Module", "executing_eagerly", "function", "keras"})


class Style(enum.Enum):
    """What a program is written for."""

    GRAPH = "TensorFlow 1, or its graph mode"
    EAGER = "TensorFlow 2"
    UNCLEAR = "either"


def style(program: Program) -> Style:
    """Returns what a program is written for, by the names that it uses."""
    names = {program.tensorflow_name(node) for node in program.names} - {""}
    if any(name.endswith(("enable_eager_execution", "enable_v2_behavior")) for name in names):
        return Style.EAGER
    if any(name == "tensorflow.compat.v1" for name, _ in program.imported):
        return Style.GRAPH
    if any(map(_is_of_graphs, names)) or any(name.startswith("add_signature") for _, name in program.hub_uses):
        return Style.GRAPH
    if names & {"Graph", "compat.v1.Graph"}:
        return Style.GRAPH
    uses_keras = any(program.qualified(node).split(".")[0] in ("keras", "tf_keras") for node in program.names)
    layers = any(name.partition(".")[0] in ("KerasLayer", "load") for _, name in program.hub_uses)
    numpy = any(
        isinstance(call.func, cst.Attribute) and call.func.attr.value == "numpy" and not call.args
        for call in program.all(cst.Call)
    )
    if uses_keras or layers or numpy or any(name.partition(".")[0] in _EAGER_NAMES for name in names):
        return Style.EAGER
    return Style.UNCLEAR


def find(program: Program, written_for: Style, *, to_tf2: bool) -> Iterator[Finding]:
    """Yields what TensorFlow has no more, or under another name."""
    yield from _contrib(program)
    yield from _layers(program)
    yield from _estimators(program)
    if written_for is Style.GRAPH and not to_tf2:
        yield from _keras_in_graphs(program)
    bare = [(node, name) for node, name in _named(program) if _is_bare(name)]
    if bare:
        yield _bare(program, bare, to_tf2)


def _named(program: Program) -> Iterator[tuple[Dotted, str]]:
    for node in program.names:
        name = program.tensorflow_name(node)
        if name:
            yield node, name


def _is_of_graphs(name: str) -> bool:
    if name.startswith(_V1):
        return name[len(_V1) :].partition(".")[0] not in _NEITHER
    return _is_bare(name) or name.partition(".")[0] in ("contrib", "estimator")


def _is_bare(name: str) -> bool:
    first, _, rest = name.partition(".")
    return first in _GRAPH_NAMES or f"{first}.{rest.partition('.')[0]}" in _GRAPH_PARTS


def _bare(program: Program, bare: list[tuple[Dotted, str]], to_tf2: bool) -> Finding:
    names = sorted({name for _, name in bare})
    shown = ", ".join(f"tf.{name}" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    line = program.line(bare[0][0])
    what = f"TensorFlow 2 has {shown} in tf.compat.v1 only"
    alias = _tensorflow_alias(program)
    if to_tf2:
        return Finding("M210", line, what, "write this part in the eager way, or leave --to-tf2 away")
    if alias is None:
        return Finding("M210", line, what, "import tensorflow.compat.v1 as tf, and call tf.disable_v2_behavior()")
    edits = [program.replacing(alias.name, "tensorflow.compat.v1")]
    short = dotted(alias.asname.name) if alias.asname else ""
    fix = f"import tensorflow.compat.v1 as {short}"
    if not any(name.endswith(("disable_v2_behavior", "disable_eager_execution")) for _, name in _named(program)):
        end = _end_of_imports(program, alias)
        newline = program.module.default_newline
        edits.append(Edit(end, end, f"{newline}{newline}{short}.disable_v2_behavior()"))
        fix += f", and {short}.disable_v2_behavior()"
    return Finding("M210", program.line(alias), what, fix, tuple(edits))


def _tensorflow_alias(program: Program) -> cst.ImportAlias | None:
    """Returns the one ``import tensorflow as tf`` at the top, which all bare names come by."""
    found = [
        alias
        for statement in program.all(cst.Import)
        for alias in statement.names
        if dotted(alias.name) == "tensorflow"
    ]
    from_imports = any(dotted(clause.module) == "tensorflow" for clause in program.all(cst.ImportFrom))
    if len(found) != 1 or from_imports or found[0].asname is None:
        return None
    line = program.parent(program.parent(found[0]) or found[0])
    assert line is not None
    return found[0] if line in program.module.body and _imports(line) else None


def _end_of_imports(program: Program, alias: cst.ImportAlias) -> int:
    """Returns the end of the statement that the first block of imports ends with, which holds an import."""
    start = program.span(alias)[0]
    last: cst.CSTNode = alias
    for statement in program.module.body:
        if program.span(statement)[0] < start or _imports(statement):
            last = statement
        elif not isinstance(statement, cst.Try | cst.If):
            break
    return program.end_of_line(last)


def _imports(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and all(
        isinstance(piece, cst.Import | cst.ImportFrom) for piece in statement.body
    )


def _contrib(program: Program) -> Iterator[Finding]:
    found: dict[str, list[int]] = {}
    places = [(program.qualified(node), node) for node in program.names] + list(program.imported)
    for name, node in sorted(places, key=lambda place: program.line(place[1])):
        before, _, after = name.partition(".contrib.")
        if after and before in ("tensorflow", "tensorflow.compat.v1"):
            found.setdefault(after.partition(".")[0], []).append(program.line(node))
    for part, lines in found.items():
        what = f"tf.contrib.{part} is gone since TensorFlow 2.0{_more(lines)}"
        yield Finding("M211", lines[0], what, _CONTRIB.get(part, _NO_CONTRIB))


_NO_CONTRIB = "find what took its place in TensorFlow's migration guide"
_CONTRIB = {
    "data": "use tf.data",
    "estimator": "train with Keras, or with tf.estimator of TensorFlow 2.15",
    "layers": "use tf.keras.layers, or the package tf_slim",
    "learn": "train with Keras",
    "lookup": "use tf.lookup",
    "rnn": "use tf.keras.layers",
    "seq2seq": "use the package tensorflow_addons, or tf.keras.layers",
    "slim": "use the package tf_slim",
    "training": "use tf.keras or tf.data",
}


def _layers(program: Program) -> Iterator[Finding]:
    found = [(node, name) for node, name in _named(program) if name.startswith(("layers.", "compat.v1.layers."))]
    if found:
        node, name = found[0]
        fix = "pip install tf_keras and set TF_USE_LEGACY_KERAS=1, or use tf.get_variable and tf.matmul"
        yield Finding("M212", program.line(node), f"tf.{name} is gone beside Keras 3{_more(found)}", fix)


def _estimators(program: Program) -> Iterator[Finding]:
    found = [(node, name) for node, name in _named(program) if name.startswith(("estimator.", "compat.v1.estimator."))]
    if found:
        node, name = found[0]
        fix = "stay on TensorFlow 2.15, where it works as it is, or train with Keras"
        yield Finding("M213", program.line(node), f"tf.{name} is gone since TensorFlow 2.16{_more(found)}", fix)
    for node, name in program.hub_uses:
        if name in ESTIMATORS:
            fix = "stay on TensorFlow 2.15, or export with hub.Module.export or hub.export after training"
            yield Finding(
                "M205",
                program.line(node),
                f"hub.{name} is for Estimators, which TensorFlow 2.15 is the last to have",
                fix,
            )


def _keras_in_graphs(program: Program) -> Iterator[Finding]:
    found = [(node, name) for node, name in _named(program) if name.startswith(("keras.", "compat.v1.keras."))]
    if found:
        node, name = found[0]
        fix = "pip install tf_keras and set TF_USE_LEGACY_KERAS=1 before TensorFlow is imported"
        yield Finding(
            "M310", program.line(node), f"tf.{name} in graph mode: Keras 3 does not train there{_more(found)}", fix
        )


def _more(found: Sequence[object]) -> str:
    return f" (the first of {len(found)} places)" if len(found) > 1 else ""

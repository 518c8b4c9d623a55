"""What changed in Keras since programs for tensorflow_hub were written; looked for in those alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

import libcst as cst

from rehub.migrate.finding import Edit, Finding
from rehub.migrate.program import Program, argument, dotted, string

_KERAS = ("tensorflow.compat.v2.keras.", "tensorflow.keras.", "tf_keras.", "keras.")
_GENERATORS = {"evaluate_generator": "evaluate", "fit_generator": "fit", "predict_generator": "predict"}
_OF_GENERATORS = frozenset({"generator", "max_queue_size", "pickle_safe", "use_multiprocessing", "workers"})
_LEGACY = "TF_USE_LEGACY_KERAS"
_KERAS_2 = "pip install tf_keras and set TF_USE_LEGACY_KERAS=1 before TensorFlow is imported, or "
_GONE = {
    "backend.get_session": "leave it out: TensorFlow 2 has no sessions",
    "backend.set_session": "leave it out: TensorFlow 2 has no sessions",
    "estimator": "train with Model.fit",
    "experimental": "look in Keras 3 for what took its place",
    "mixed_precision.experimental": "use mixed_precision",
    "optimizers.experimental": "use optimizers",
    "optimizers.legacy": "use optimizers",
    "layers.CuDNNGRU": "use layers.GRU",
    "layers.CuDNNLSTM": "use layers.LSTM",
    "layers.DenseFeatures": "use hub.KerasLayer on an input of its own",
    "utils.multi_gpu_model": "use tf.distribute.MirroredStrategy",
    "wrappers.scikit_learn": "use the package scikeras",
}
_MODEL = re.compile(r"model|net|classifier|encoder|embed|^m$", re.IGNORECASE)
_SAVED_MODELS = frozenset({"experimental.export_saved_model", "experimental.load_from_saved_model"})


def find(program: Program) -> Iterator[Finding]:
    """Yields the traps of a program that uses tensorflow_hub or rehub."""
    for call in program.all(cst.Call):
        name = keras_name(program, call.func)
        if name.startswith("optimizers."):
            yield from _optimizer(program, call, name)
        if isinstance(call.func, cst.Attribute) and call.func.attr.value in _GENERATORS:
            yield _generator(program, call, call.func)
        if isinstance(call.func, cst.Attribute) and call.func.attr.value == "predict_classes":
            what = "predict_classes is gone since TensorFlow 2.6"
            yield Finding("M309", program.line(call), what, "take the argmax of predict")
        yield from _files(program, call, name)
    for node in program.names:
        name = keras_name(program, node)
        if name.startswith("layers.experimental."):
            yield _experimental_layer(program, node, name)
        elif name not in _SAVED_MODELS:
            yield from _gone(program, node, name)
    yield from _mixture(program)
    yield from _late_switch(program)


def keras_name(program: Program, node: cst.CSTNode) -> str:
    """Returns the name within Keras, such as ``layers.Dense``; empty for anything else."""
    name = program.qualified(node) if dotted(node) else ""
    return next((name[len(start) :] for start in _KERAS if name.startswith(start)), "")


def _optimizer(program: Program, call: cst.Call, name: str) -> Iterator[Finding]:
    rate, decay = argument(call, "lr"), argument(call, "decay")
    if rate is not None and rate.keyword is not None:
        edit = program.replacing(rate.keyword, "learning_rate")
        yield Finding("M301", program.line(call), f"{name}(lr=…): Keras 3 does not know it", "learning_rate", (edit,))
    if decay is not None:
        fix = "pass a schedule, such as keras.optimizers.schedules.InverseTimeDecay, as the learning rate"
        yield Finding("M302", program.line(call), f"{name}(decay=…) does nothing in Keras 3", fix)


def _generator(program: Program, call: cst.Call, method: cst.Attribute) -> Finding:
    old = method.attr.value
    new = _GENERATORS[old]
    line, what = program.line(call), f"{old} is gone from Keras 3"
    names = {arg.keyword.value for arg in call.args if arg.keyword is not None}
    if sum(arg.keyword is None for arg in call.args) > 1 or names & _OF_GENERATORS:
        return Finding("M304", line, what, f"use {new}; its arguments differ")
    return Finding("M304", line, what, new, (program.replacing(method.attr, new),))


def _experimental_layer(program: Program, node: cst.CSTNode, name: str) -> Finding:
    what = f"{name} is gone from Keras 3"
    new = name.replace("experimental.preprocessing.", "").replace("experimental.", "")
    code = program.code(node)
    piece = next((it for it in ("experimental.preprocessing.", "experimental.") if f"layers.{it}" in code), "")
    if not piece or new == "layers":
        return Finding("M303", program.line(node), what, f"import it from {new.rpartition('.')[0]}")
    start = program.span(node)[0] + len(code[: code.index(f"layers.{piece}") + len("layers.")].encode())
    return Finding("M303", program.line(node), what, new, (Edit(start, start + len(piece), ""),))


def _gone(program: Program, node: cst.CSTNode, name: str) -> Iterator[Finding]:
    for start, instead in _GONE.items():
        if name == start or name.startswith(f"{start}."):
            yield Finding("M309", program.line(node), f"{name} is gone from Keras 3", _KERAS_2 + instead)


def _files(program: Program, call: cst.Call, name: str) -> Iterator[Finding]:
    line = program.line(call)
    if name in _SAVED_MODELS:
        fix = "use hub.export to write a SavedModel, and hub.load or hub.KerasLayer to read one"
        yield Finding("M305", line, f"{name} is gone from Keras 3", fix)
    elif name in ("models.load_model", "saving.load_model"):
        path, objects = argument(call, "filepath", 0), argument(call, "custom_objects")
        if path is not None and _is_folder(program.literal(path.value)):
            fix = "use hub.load or hub.KerasLayer, or keras.layers.TFSMLayer"
            yield Finding("M305", line, "Keras 3 does not load a SavedModel by load_model", fix)
        elif (
            argument(call, "safe_mode") is None and objects is not None and "KerasLayer" in program.code(objects.value)
        ):
            fix = "add safe_mode=False if you trust the file; custom_objects is not needed"
            yield Finding("M306", line, "Keras 3 loads no file with a hub.KerasLayer unless it is told to", fix)
    else:
        yield from _saving(program, call, name)


def _saving(program: Program, call: cst.Call, name: str) -> Iterator[Finding]:
    is_function = name in ("models.save_model", "saving.save_model")
    is_method = _is_method_of_model(program, call.func, "save")
    if not is_function and not is_method:
        return
    path, form = argument(call, "filepath", int(is_function)), argument(call, "save_format")
    is_saved_model = form is not None and string(form.value) == "tf"
    is_of_hub = any(name == "KerasLayer" for _, name in program.hub_uses)
    if is_saved_model or (path is not None and is_of_hub and _is_folder(program.literal(path.value))):
        fix = "save to a name that ends in .keras, or use hub.export to write a SavedModel"
        yield Finding("M305", program.line(call), "Keras 3 does not write a SavedModel by save", fix)


def _is_method_of_model(program: Program, function: cst.BaseExpression, name: str) -> bool:
    """Whether something is called that by its name may well be a Keras model."""
    if not isinstance(function, cst.Attribute) or function.attr.value != name or program.qualified(function):
        return False
    return bool(_MODEL.search(dotted(function.value).rpartition(".")[2]))


def _is_folder(path: str | None) -> bool:
    return bool(path) and not PurePath(str(path)).suffix


def _mixture(program: Program) -> Iterator[Finding]:
    """A hub.KerasLayer is of the Keras that tf.keras is, so it fits into no model of the other one."""
    layers = [node for node, name in program.hub_uses if name == "KerasLayer"]
    is_legacy = bool(_switches(program))
    for wanted, is_wrong, fix in (
        ("tf_keras", not is_legacy, f"set {_LEGACY}=1 before TensorFlow is imported, or use rehub.keras.Keras2Layer"),
        ("keras", is_legacy, f"do not set {_LEGACY}, or use rehub.keras.Keras3Layer"),
    ):
        used = [node for node in program.names if program.qualified(node).split(".")[0] == wanted]
        if layers and used and is_wrong:
            other = "Keras 2" if is_legacy else "what tf.keras is, Keras 3"
            yield Finding(
                "M307", program.line(used[0]), f"{wanted} is used beside hub.KerasLayer, which is of {other}", fix
            )


def _switches(program: Program) -> list[cst.SimpleString]:
    """Returns the places that write the environment variable."""
    found = []
    for node in program.all(cst.SimpleString):
        above = list(program.around(node))
        is_written = any(isinstance(it, cst.AssignTarget) for it in above) or (
            isinstance(above[0], cst.Arg)
            and isinstance(above[1], cst.Call)
            and dotted(above[1].func).endswith(("setdefault", "putenv"))
        )
        if string(node) == _LEGACY and is_written:
            found.append(node)
    return found


def _late_switch(program: Program) -> Iterator[Finding]:
    imports = [program.line(node) for name, node in program.imported if name.partition(".")[0] == "tensorflow"]
    for node in _switches(program):
        if imports and min(imports) < program.line(node):
            what = f"{_LEGACY} is set after TensorFlow is imported in line {min(imports)}"
            yield Finding("M308", program.line(node), what, "set it before: it is read then")

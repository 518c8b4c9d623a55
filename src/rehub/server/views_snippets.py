"""Code to copy, for one model, and the table of what works where."""

from __future__ import annotations

import dataclasses
import json
import keyword
import shlex
from collections.abc import Collection, Iterable, Mapping

from rehub.publish.card_snippet import expression
from rehub.server.views_interface import Example, Interface
from rehub.signature import TensorSpec


@dataclasses.dataclass(frozen=True)
class Snippet:
    """Code to copy.

    Attributes:
        id: Unique on its page.
        title: What it is for.
        code: The code.
        language: Of the code.
        note: A sentence about it, or empty.
    """

    id: str
    title: str
    code: str
    language: str = "python"
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell of the table of what works where; ``answer`` is ``Yes``, ``Partly`` or ``No``, ``code`` is Python."""

    answer: str
    text: str
    code: str = ""


@dataclasses.dataclass(frozen=True)
class CompatibilityRow:
    """One operation, in the style of TensorFlow 1 and in TensorFlow 2."""

    operation: str
    tf1: Cell
    tf2: Cell


def load_snippet(url: str) -> Snippet:
    """Returns the shortest way to load a model, whatever it is."""
    return _snippet("load", "hub.load", f"import rehub as hub\n\nmodel = hub.load({json.dumps(url)})")


def snippets(interface: Interface | None, url: str, folder: str, formats: Collection[str] = ()) -> tuple[Snippet, ...]:
    """Returns the ways to use a model.

    Args:
        interface: What it is; None where nobody knows.
        url: Its handle, with the version.
        folder: A name for a folder that it may be unpacked into.
        formats: In which formats it can be had.
    """
    curl = _snippet(
        "curl",
        "curl",
        f"mkdir {shlex.quote(folder)}\n"
        f"curl -fsSL {shlex.quote(f'{url}?tf-hub-format=compressed')} | tar -xz -C {shlex.quote(folder)}",
        note="The folder is the model as it was published: no library of a hub is needed.",
        language="sh",
    )
    others = tuple(_others(url, folder, formats))
    if interface is None:
        return (*others, curl) if others else (load_snippet(url), curl)
    found = [_load(interface, url), *_keras_layers(interface, url)]
    if interface.format == "tf1_hub":
        found.append(_module(interface, url))
    return (*found, *others, curl)


def _others(url: str, folder: str, formats: Collection[str]) -> Iterable[Snippet]:
    if "tflite" in formats:
        target = shlex.quote(f"{folder}.tflite")
        yield _snippet(
            "tflite", "LiteRT", f"curl -fsSL -o {target} {shlex.quote(f'{url}?lite-format=tflite')}", language="sh"
        )
    if "tfjs" in formats:
        code = f"const model = await tf.loadGraphModel({json.dumps(url)}, {{ fromTFHub: true }});"
        yield _snippet("tfjs", "TensorFlow.js", code, language="js")


def compatibility(interface: Interface) -> tuple[CompatibilityRow, ...]:
    """Returns what works with a model of its format, with its own signatures; no rows for an unknown format."""
    rows = {"tf1_hub": _tf1_hub_rows, "saved_model_1": _saved_model_1_rows, "saved_model_2": _saved_model_2_rows}
    return tuple(rows[interface.format](interface)) if interface.format in rows else ()


def _load(interface: Interface, url: str) -> Snippet:
    example = interface.example
    load = f"model = hub.load({json.dumps(url)}{_tags(example)})"
    call = _call("model", example)
    if not call:
        return _snippet("load", "hub.load", f"import rehub as hub\n\n{load}")
    return _snippet("load", "hub.load", f"import tensorflow as tf\nimport rehub as hub\n\n{load}\noutputs = {call}")


def _keras_layers(interface: Interface, url: str) -> Iterable[Snippet]:
    trainable = ", trainable=True" if interface.is_fine_tunable else ""
    notes = ["Leave trainable=True out to train only what follows."] if trainable else []
    old = 'import os\n\nos.environ["TF_USE_LEGACY_KERAS"] = "1"  # before TensorFlow is imported\n\n'
    for identifier, keras, head, more in (
        ("keras3", "keras", "", []),
        ("tf-keras", "tf_keras", old, ["For programs of Keras 2."]),
    ):
        layer = f"layer = hub.KerasLayer({json.dumps(url)}{_layer_options(interface)}{trainable})"
        code = f"{head}import {keras}\nimport rehub as hub\n\n{layer}{_keras_model(interface.example, keras)}"
        yield _snippet(identifier, "Keras 3" if keras == "keras" else keras, code, " ".join(more + notes))


def _keras_model(example: Example, keras: str) -> str:
    """How the layer is used: in a small model, where it takes one dense tensor of known shape."""
    inputs = example.inputs
    if isinstance(inputs, Mapping) and example.signature and len(inputs) == 1:
        (inputs,) = inputs.values()
    is_known = isinstance(inputs, TensorSpec) and inputs.kind == "dense" and inputs.shape and inputs.shape[0] is None
    output = example.output
    is_dense = output is not None and output.dtype.startswith("float") and len(output.shape or ()) > 1
    if not is_known or not is_dense:  # nothing that a Dense layer takes
        return "\noutputs = layer(inputs)"
    dtype = "" if inputs.dtype == "float32" else f', dtype="{inputs.dtype}"'
    layers = [f"{keras}.Input({inputs.shape[1:]}{dtype})", "layer", f"{keras}.layers.Dense(2)"]
    return "".join([f"\nmodel = {keras}.Sequential([", *(f"\n    {layer}," for layer in layers), "\n])"])


def _module(interface: Interface, url: str) -> Snippet:
    example = interface.example
    inputs = list((example.inputs or {}).values())
    code = expression(inputs[0] if len(inputs) == 1 else example.inputs) or "inputs"
    lines = [
        "import tensorflow.compat.v1 as tf",
        "import rehub as hub",
        "",
        "with tf.Graph().as_default(), tf.Session() as session:",
        f"    module = hub.Module({json.dumps(url)})",
        f"    outputs = module({code if inputs else ''}{_module_signature(example, has_inputs=bool(inputs))})",
        "    session.run([tf.global_variables_initializer(), tf.tables_initializer()])",
        "    print(session.run(outputs))",
    ]
    return _snippet("module", "hub.Module", "\n".join(lines), note="For programs of TensorFlow 1's style.")


def _tf1_hub_rows(interface: Interface) -> Iterable[CompatibilityRow]:
    example, options = interface.example, _layer_options(interface)
    has_train = any("train" in tags.split(", ") for tags in interface.tags)
    tags = ', tags={"train"}' if has_train else ""
    graphs = "Its graph for training has the tag train." if has_train else "It has one graph for both modes."
    apply = f"outputs = m(inputs{_module_signature(example)})"
    layer = "m = hub.KerasLayer(handle{}{})\noutputs = m(inputs)"
    yield CompatibilityRow(
        "Load and run",
        Cell("Yes", "", f"m = hub.Module(handle)\n{apply}"),
        Cell("Yes", "", f"m = hub.load(handle)\noutputs = {_short_call(example)}\n\n{layer.format(options, '')}"),
    )
    yield CompatibilityRow(
        "Fine-tune",
        *_if_trainable(
            interface,
            Cell("Yes", graphs, f"m = hub.Module(handle, trainable=True{tags})\n{apply}"),
            Cell(
                "Yes",
                "rehub makes an object of TensorFlow 2 of the module; tensorflow_hub could not.",
                layer.format(options, ", trainable=True"),
            ),
        ),
    )
    yield CompatibilityRow(
        "Create",
        Cell("Yes", "", "spec = hub.create_module_spec(module_fn)\nspec.export(path)"),
        Cell(
            "Yes",
            "The same calls work in an eager program. A SavedModel can be converted.",
            'hub.convert(model, path, to="tf1-hub")',
        ),
    )


def _saved_model_1_rows(interface: Interface) -> Iterable[CompatibilityRow]:
    example, options = interface.example, _layer_options(interface)
    layer = "m = hub.KerasLayer(handle{}{})\noutputs = m(inputs)"
    run = f"m = hub.load(handle{_tags(example)})\noutputs = {_short_call(example)}\n\n{layer.format(options, '')}"
    spec = "spec = hub.create_module_spec_from_saved_model(path)\nm = hub.Module(spec, trainable=True)"
    module = f"{spec}\noutputs = m(inputs{_module_signature(example)})"
    yield CompatibilityRow("Load and run", Cell("Yes", "", run), Cell("Yes", "", run))
    yield CompatibilityRow(
        "Fine-tune",
        *_if_trainable(
            interface,
            Cell("Yes", "As a module that is made of it.", module),
            Cell(
                "Yes",
                "rehub makes an object of TensorFlow 2 of its graphs.",
                layer.format(options, ", trainable=True"),
            ),
        ),
    )
    yield CompatibilityRow(
        "Create",
        Cell("Yes", "", "tf.saved_model.simple_save(session, path, inputs, outputs)"),
        Cell("No", "TensorFlow 2 writes SavedModels of objects, which can do more."),
    )


def _saved_model_2_rows(interface: Interface) -> Iterable[CompatibilityRow]:
    example, options = interface.example, _layer_options(interface)
    layer = "m = hub.KerasLayer(handle{}{})\noutputs = m(inputs)"
    run = f"m = hub.load(handle)\noutputs = {_short_call(example)}\n\n{layer.format(options, '')}"
    training = ", training=True" if interface.call and "training" in interface.call.text else ""
    yield CompatibilityRow("Load and run", Cell("Yes", "In TensorFlow 1.15 and later.", run), Cell("Yes", "", run))
    yield CompatibilityRow(
        "Fine-tune",
        *_if_trainable(
            interface,
            Cell(
                "Partly",
                "In a Keras 2 model with Model.fit(), in an Estimator's model_fn, or by hub.load with the variables "
                "named to the optimizer. Collections of the graph are not filled in.",
                f"m = hub.load(handle)\nloss = f(m(inputs{training}))\n"
                "step = optimizer.minimize(\n    loss, var_list=m.trainable_variables)",
            ),
            Cell(
                "Yes",
                "",
                f"m = hub.load(handle)\noutputs = m(inputs{training})\n\n{layer.format(options, ', trainable=True')}",
            ),
        ),
    )
    yield CompatibilityRow(
        "Create",
        Cell("Yes", "From within compat mode.", "tf.saved_model.save(obj, path)"),
        Cell("Yes", "", "hub.export(model, path)"),
    )


def _if_trainable(interface: Interface, tf1: Cell, tf2: Cell) -> tuple[Cell, Cell]:
    if interface.is_fine_tunable:
        return tf1, tf2
    has_way = interface.format != "saved_model_2" or interface.call
    why = "It lists no variables to train." if has_way else "It has signatures for serving only."
    return Cell("No", why), Cell("No", why)


def _call(model: str, example: Example) -> str:
    """The call with inputs of the right shapes; empty where these are not known."""
    if not example.signature:
        code = expression(example.inputs) if example.inputs is not None else ""
        return f"{model}({code})" if code else ""
    codes = {name: expression(spec) for name, spec in example.inputs.items()}
    # A signature takes what composite tensors are made of, one by one.
    if not all(codes.values()) or any(spec.kind != "dense" for spec in example.inputs.values()):
        return ""
    arguments = ", ".join(f"{name}={code}" for name, code in codes.items())
    if not all(map(_is_plain, codes)):
        arguments = f"**{{{', '.join(f'{json.dumps(name)}: {code}' for name, code in codes.items())}}}"
    return f"{model}.signatures[{json.dumps(example.signature)}]({arguments})"


def _short_call(example: Example) -> str:
    """The call without saying what goes in."""
    if not example.signature:
        return "m(inputs)"
    names = list(example.inputs)
    if len(names) == 1 and _is_plain(names[0]):
        arguments = f"{names[0]}=inputs"
    else:
        arguments = ", ".join(f"{name}={name}" for name in names) if all(map(_is_plain, names)) else "**inputs"
    return f"m.signatures[{json.dumps(example.signature)}]({arguments})"


def _is_plain(name: str) -> bool:
    """Whether a name can be written as that of an argument."""
    return name.isidentifier() and not keyword.iskeyword(name)


def _tags(example: Example) -> str:
    return f", tags={json.dumps(list(example.tags))}" if example.tags else ""


def _layer_options(interface: Interface) -> str:
    """What a layer has to be told besides the handle."""
    example = interface.example
    if not example.signature or (interface.format == "tf1_hub" and example.signature == "default"):
        return _tags(example)
    one = "" if example.output else ", signature_outputs_as_dict=True"
    return f", signature={json.dumps(example.signature)}{one}{_tags(example)}"


def _module_signature(example: Example, *, has_inputs: bool = True) -> str:
    if example.signature in ("", "default"):
        return ""
    return f"{', ' if has_inputs else ''}signature={json.dumps(example.signature)}"


def _snippet(identifier: str, title: str, code: str, note: str = "", *, language: str = "python") -> Snippet:
    return Snippet(f"use-{identifier}", title, code, language, note)

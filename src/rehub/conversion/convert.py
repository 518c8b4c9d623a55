"""``rehub.convert``: a model in one format becomes a model in another."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from rehub.archive.new_folder import new_file
from rehub.conversion import onnx, reusable, tf1_hub, tfjs, tflite
from rehub.conversion.entry_point import choose, variables_of
from rehub.conversion.samples import Samples, Tally
from rehub.errors import ConversionError
from rehub.model import model_info
from rehub.model.model_info import ModelInfo
from rehub.resolvers.chain import resolve
from rehub.runtime.load import load
from rehub.runtime.remote import fetch, new_place
from rehub.runtime.tf_version import import_tensorflow

Target = Literal["reusable", "tf1-hub", "tflite", "onnx", "tfjs"]
TARGETS: tuple[Target, ...] = get_args(Target)

_WRITERS = {"tf1-hub": tf1_hub.write, "tflite": tflite.write, "onnx": onnx.write, "tfjs": tfjs.write}
_NEEDS = {"onnx": onnx.check_installed, "tfjs": tfjs.check_installed}
_FILES = frozenset({"tflite", "onnx"})
_TOLERANCES: Mapping[Target, float] = {"reusable": 1e-5, "tf1-hub": 1e-5, "tflite": 1e-3, "onnx": 1e-3, "tfjs": 1e-3}
"""Other runtimes add up in other orders, and fuse more ops."""

_TOLERANCE_IN_TRAINING = 1e-2
"""Normalization by the statistics of a small batch, many times, makes much of the last bit: 1e-4 in a ResNet50."""


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What `convert` did.

    Attributes:
        path: What was written.
        to: Its format.
        difference: By how much its outputs differ from those of the model on the sample inputs, relative to the largest
            magnitude of an output; None if none were compared.
        not_compared: What was not compared, and why; empty if all was.
    """

    path: str
    to: Target
    difference: float | None
    not_compared: str = ""


def convert(
    handle: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    to: Target = "reusable",
    tags: Sequence[str] | None = None,
    signature: str | None = None,
    sample_inputs: Mapping[str, Any] | None = None,
) -> Conversion:
    """Writes a model in another format, and compares what both make of sample inputs.

    Models of TensorFlow 1, which are modules in the TF1 Hub format and SavedModels without objects, become ``reusable``
    SavedModels of TensorFlow 2, which can be fine-tuned. Reusable SavedModels become modules in the TF1 Hub format
    (``tf1-hub``). All of them become files of LiteRT (``tflite``) and ``onnx``, and graph models of TensorFlow.js
    (``tfjs``).

    Outputs are compared: of the call for inference; for ``reusable`` of all signatures, too; for ``tf1-hub`` of all
    signatures in both graph variants, and of the call for training. What gives other ones each time is left out:
    dropout in training, unless its seed is a variable, as that of Keras 3 is.

    Args:
        handle: A path, or a URL that is resolved through the cache; see `rehub.resolve`.
        path: What to write, a file for ``tflite`` and ``onnx``, else a folder. It must not exist, and appears only when
            all is written and compared.
        to: The format.
        tags: The tags of the graph to convert, for a model with several.
        signature: What to convert. A reusable model keeps the others beside it: this one becomes its call. A module
            does, too: this one becomes its signature ``default``. None takes the call of the model, or, if it has none,
            the signature ``default``, ``serving_default`` or the only one.
        sample_inputs: Arrays for the inputs of what is converted, by name. None makes some, with which not every model
            runs: sizes, texts and numbers are guessed.

    Raises:
        ConversionError: If there is no such format; if the model is in it already; if it has state, or ops, which are
            in ``ops``, that the format cannot have; if the outputs differ.
        SignatureError: If the model has no such tags or signature, or the sample inputs are not those of the signature.
        DependencyError: If there is no TensorFlow, or the converter is not installed.
        PublishError: If ``path`` exists or cannot be written.
        HubError: What `rehub.load` raises, if the model cannot be had.
    """
    if to not in TARGETS:
        raise ConversionError(f"There is no format {to!r} to convert to.", hint=f"Choose one of {', '.join(TARGETS)}.")
    name, target = os.fspath(handle), os.fspath(path)
    with contextlib.ExitStack() as stack:
        # Before TensorFlow is imported, which takes seconds.
        draft = stack.enter_context(new_file(Path(target)) if to in _FILES else new_place(target))
        tf = import_tensorflow()
        _NEEDS.get(to, lambda: None)()
        folder = fetch(resolve(name))
        info = model_info.describe(folder)
        _check_source(name, info, to)
        if to == "reusable":
            compared = reusable.convert(name, info, draft, tags, signature).compare(sample_inputs, _TOLERANCES[to])
            return Conversion(target, to, *compared)
        if info.format == "saved_model_2":
            obj = load(name, tags)
        else:
            lifted = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rehub-")), "model")
            reusable.convert(name, info, lifted, tags, signature)
            obj, signature = tf.saved_model.load(str(lifted)), None
        entry, variables = choose(obj, signature, name), variables_of(obj)
        samples = Samples(entry, sample_inputs, variables)
        converted = _WRITERS[to](obj, entry, draft, name)
        if converted.run is None:
            return Conversion(target, to, None, converted.problem)
        tally, tolerance = Tally(), _TOLERANCES[to]
        tally.add(samples, converted.run, tolerance, f"the model converted to {to}")
        for twin in converted.twins:
            samples = Samples.of_another(twin.entry, sample_inputs, entry, variables)
            largest = _TOLERANCE_IN_TRAINING if twin.entry.is_training else tolerance
            for run in twin.runs:
                tally.add(samples, run, largest, f"{twin.entry} converted to {to}", str(twin.entry))
        return Conversion(target, to, tally.largest, tally.problem)


def _check_source(handle: str, info: ModelInfo, to: Target) -> None:
    if to == "tf1-hub" and info.format == "tf1_hub":
        raise ConversionError(
            f"'{handle}' is a module in the TF1 Hub format already.", hint="hub.Module uses it as it is."
        )
    if to != "reusable" or info.format != "saved_model_2":
        return
    if any(function.path == "__call__" for function in info.meta_graphs[0].functions):
        raise ConversionError(
            f"'{handle}' is a SavedModel of TensorFlow 2 that can be called already.",
            hint="hub.load and hub.KerasLayer(handle, trainable=True) use it as it is.",
        )
    raise ConversionError(
        f"'{handle}' is a SavedModel of TensorFlow 2 without a call: its signatures are for inference alone.",
        hint="Export it again from the Keras model or tf.Module, with rehub.export.",
    )

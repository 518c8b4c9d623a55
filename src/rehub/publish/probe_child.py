"""Runs a model and tells what comes of it: the process that `rehub.publish.probe` starts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rehub.conversion.samples import fill
from rehub.errors import DependencyError
from rehub.publish.probe_facts import Call, Event, Loss, Problem, Stage, told, write_event
from rehub.publish.probe_training import train
from rehub.publish.probe_ways import Way, is_finite, ways
from rehub.runtime import reusable
from rehub.runtime.load import load, load_for_layer
from rehub.runtime.tf_version import import_tensorflow

_BATCHES = (1, 3)
_WORDS = 32
_VOCABULARY_BYTES = 1 << 16


def observe(folder: Path, tags: Sequence[str], parts: Sequence[str], *, lifts: bool) -> Iterator[Event]:
    """Loads a model, calls it in all ways, and trains it by one step.

    Args:
        folder: The model folder.
        tags: Of the graph to load.
        parts: The attributes that can be called, besides the object itself.
        lifts: Whether the model is of TensorFlow 1, and is made an object of TensorFlow 2.

    Yields:
        What is done next, and what came of it.
    """
    yield Stage("importing TensorFlow")
    try:
        tf = import_tensorflow()
    except DependencyError as error:
        yield Problem(str(error), is_missing_tensorflow=True)
        return
    yield Stage("loading it")
    try:
        if lifts:
            obj = load_for_layer(str(folder), tags, None, calls_signature=False, trains=False)
        else:
            obj = load(folder, tags)
    except Exception as error:  # noqa: BLE001 - whatever loading a model raises
        yield Problem(told(error))
        return
    texts = _texts(folder)
    known = list(ways(obj, parts))
    for way in known:
        yield Stage(f"calling {way.what}")
        yield _tried(way, texts)
    inference = next((way for way in known if not way.is_training), None)
    if inference is not None and _is_batched(tf, inference.specs):
        for batch in _BATCHES:
            yield Stage(f"calling {inference.what} with {batch} examples")
            yield _tried_batch(inference, batch, texts)
    for place, loss in enumerate(getattr(obj, "regularization_losses", None) or ()):
        yield Stage(f"calling regularization_losses[{place}]")
        yield Loss(place, _wrong_with(loss))
    yield Stage("training it by one step")
    yield train(obj, known, texts)


def _tried(way: Way, texts: Sequence[str]) -> Call:
    error = ""
    for inputs in fill(way.specs, texts=_strings(way, texts)):
        try:
            return Call(way.what, is_finite=is_finite(way.run(inputs)))
        except Exception as failure:  # noqa: BLE001 - whatever the ops of a model raise
            error = error or told(failure)
    return Call(way.what, error or "no inputs can be made for arguments of its kinds")


def _tried_batch(way: Way, batch: int, texts: Sequence[str]) -> Call:
    error = ""
    for inputs in fill(way.specs, batch=batch, texts=_strings(way, texts)):
        try:
            outputs = way.run(inputs)
        except Exception as failure:  # noqa: BLE001 - as above
            error = error or told(failure)
            continue
        main = outputs.get("default") if isinstance(outputs, dict) else outputs
        shape = getattr(main, "shape", None)
        rows = shape[0] if shape is not None and shape.rank else batch
        return Call(way.what, "" if rows in (batch, None) else f"its output has {rows} rows", batch=batch)
    return Call(way.what, error, batch=batch)


def _strings(way: Way, texts: Sequence[str]) -> Sequence[str | bytes]:
    """What to pass for strings: words, or a small image."""
    tf = import_tensorflow()
    return [tf.io.encode_png(tf.zeros([8, 8, 3], tf.uint8)).numpy()] if way.decodes_images else texts


def _is_batched(tf: Any, specs: Any) -> bool:
    """Whether the first axes of all inputs that have any are of any size."""
    shapes = [reusable.dimensions(spec.shape) for spec in tf.nest.flatten(specs) if isinstance(spec, tf.TypeSpec)]
    first = [shape[0] for shape in shapes if shape]
    return bool(first) and all(size is None for size in first)


def _wrong_with(loss: Any) -> str:
    tf = import_tensorflow()
    try:
        value = tf.convert_to_tensor(loss())
    except Exception as error:  # noqa: BLE001 - as above
        return f"it fails: {told(error)}"
    if value.shape.rank != 0 or not value.dtype.is_floating:
        return f"it returns {reusable.describe_spec(tf.TensorSpec.from_tensor(value))}"
    return "" if is_finite(value) else "it returns a number that is not finite"


def _texts(folder: Path) -> tuple[str, ...]:
    """Words of the model's own vocabularies, as far as these are texts; none without any."""
    words = list[str]()
    for file in sorted(folder.glob("assets/**/*")):
        if file.is_file():
            with file.open("rb") as opened:
                lines = opened.read(_VOCABULARY_BYTES).split(b"\n")[:-1]
            try:
                words += [line.decode().strip() for line in lines[:_WORDS]]
            except UnicodeDecodeError:
                continue  # a model of sentencepiece, for instance
    return tuple(word for word in words if word)


def _main() -> None:
    folder, job, out = sys.argv[1:]
    with Path(out).open("a", encoding="utf-8") as file:
        for event in observe(Path(folder), **json.loads(job)):
            file.write(write_event(event))
            file.flush()


if __name__ == "__main__":
    _main()

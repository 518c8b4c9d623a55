"""What is written of a training: the model, its labels and card, how good it is, and pictures of that."""

from __future__ import annotations

import dataclasses
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from rehub.archive.new_folder import new_folder
from rehub.conversion.convert import convert
from rehub.conversion.export import export
from rehub.errors import ConversionError, DependencyError, ExportWarning
from rehub.formats.card import FILE_NAME, write_card
from rehub.train import inputs, metrics, model_card, pictures
from rehub.train.classifier import SCORES, Classifier, Head, write_labels
from rehub.train.examples import Examples
from rehub.train.result import Result
from rehub.train.scores import Scores
from rehub.train.stage import Epoch
from rehub.train.trunk import Trunk
from rehub.train.unfinished import write_json

if TYPE_CHECKING:
    from rehub.train.job import Job, Tell

_COMPARED = 8


def write(
    job: Job,
    trunk: Trunk,
    head: Head,
    examples: Examples,
    validation: Examples,
    epochs: Sequence[Epoch],
    scores: Scores,
    tell: Tell,
) -> Result:
    """Writes the folder of a result, whole or not at all.

    Args:
        job: What was trained.
        trunk: Tuned.
        head: Trained.
        examples: It was trained with.
        validation: Of which the scores are.
        epochs: Of all stages.
        scores: Of the model.
        tell: Is told what is found.
    """
    arguments = {"handle": job.handle, **dataclasses.asdict(job.recipe), **job.arguments}
    found = metrics.collect(arguments, examples, validation, epochs, scores)
    problem = ""
    with new_folder(job.output) as folder:
        model = folder / "model"
        _export(model, trunk, head, examples.classes)
        difference = _difference(model, trunk, validation, scores)
        tell(f"Loaded again from there, its probabilities differ by at most {difference:.1g}.")
        (model / FILE_NAME).write_bytes(write_card(model_card.write(model, job.kind, found)))
        write_labels(folder / "labels.txt", examples.classes)
        write_json(folder / "metrics.json", found)
        pictures.draw_confusion(scores.confusion, examples.classes, folder / "confusion.png")
        pictures.draw_curves(epochs, folder / "curves.png")
        if job.tflite:
            problem = _convert(model, folder / "model.tflite")
    return Result(job.output, examples.classes, scores.accuracy, found, problem)


def _export(model: Path, trunk: Trunk, head: Head, classes: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="rehub-") as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ExportWarning)  # of what the trunk's publisher chose
        labels = Path(scratch) / "labels.txt"  # the name that the asset gets
        write_labels(labels, classes)
        classifier = Classifier(trunk, head, labels)
        export(classifier, model, inputs=trunk.spec, signatures=classifier.signatures())


def _difference(model: Path, trunk: Trunk, validation: Examples, scores: Scores) -> float:
    """Loads a model by TensorFlow alone, and returns by how much its probabilities differ on some examples."""
    served: Any = tf.saved_model.load(str(model)).signatures["serving_default"]
    count = min(_COMPARED, len(validation))
    (batch, _), *_ = inputs.make(trunk).batches(validation, np.arange(count), count)
    probabilities = served(**{served.structured_input_signature[1].popitem()[0]: batch})["probabilities"]
    return float(np.max(np.abs(probabilities.numpy() - scores.probabilities[:count])))


def _convert(model: Path, file: Path) -> str:
    """Writes a file for LiteRT; returns why that cannot be, and leaves the model as it is then."""
    try:
        convert(model, file, to="tflite", signature=SCORES)
    except (ConversionError, DependencyError) as error:
        return str(error)
    return ""

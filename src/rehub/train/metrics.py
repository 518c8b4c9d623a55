"""``metrics.json``: what was trained, on what, how, and how good it is."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import rehub
from rehub.runtime.tf_version import import_tensorflow
from rehub.train.examples import Examples
from rehub.train.scores import Scores
from rehub.train.stage import Epoch, best_of


def collect(
    arguments: Mapping[str, Any],
    examples: Examples,
    validation: Examples,
    epochs: Sequence[Epoch],
    scores: Scores,
) -> dict[str, Any]:
    """Returns values for `json.dumps`.

    Args:
        arguments: What the user chose.
        examples: To train with.
        validation: Of which the scores are.
        epochs: Of all stages.
        scores: On the validation.
    """
    rows = scores.of_classes()
    classes = [
        {"name": name, "training": int(there), "validation": int(held_out), **row}
        for name, there, held_out, row in zip(examples.classes, examples.counts, validation.counts, rows, strict=True)
    ]
    best = best_of([epoch for epoch in epochs if epoch.stage == epochs[-1].stage])
    return {
        "accuracy": scores.accuracy,
        "loss": scores.loss,
        "macro_f1": float(np.mean([row["f1"] or 0.0 for row in rows])),
        "accuracy_of_the_commonest_class": float(validation.counts.max() / len(validation)),
        "training_examples": len(examples),
        "validation_examples": len(validation),
        "classes": classes,
        "confusion": scores.confusion.tolist(),
        "best_epoch": {"stage": best.stage, "number": best.number},
        "epochs": [dataclasses.asdict(epoch) for epoch in epochs],
        "arguments": dict(arguments),
        "versions": {
            "rehub": rehub.__version__,
            "tensorflow": import_tensorflow().__version__,
            "python": platform.python_version(),
        },
    }


def confused(metrics: Mapping[str, Any], most: int) -> list[tuple[str, str, int]]:
    """Returns which classes are taken for which others most often, and how often."""
    names = [each["name"] for each in metrics["classes"]]
    pairs = [
        (names[label], names[taken], number)
        for label, row in enumerate(metrics["confusion"])
        for taken, number in enumerate(row)
        if label != taken and number
    ]
    return sorted(pairs, key=lambda each: -each[2])[:most]

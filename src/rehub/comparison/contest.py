"""``rehub.compare``: several models by their handles, one task, one verdict."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rehub import configuration
from rehub.comparison import folds as fold_assignment
from rehub.comparison import trunk
from rehub.comparison.contestants import Entry, named
from rehub.comparison.cross_validation import cross_validate
from rehub.comparison.examples import Task, read_examples
from rehub.comparison.images import Size
from rehub.comparison.result import Comparison, ModelFailure, ModelScore
from rehub.errors import ComparisonError
from rehub.resolvers import progress
from rehub.runtime.tf_version import import_tensorflow


def compare(
    handles: Sequence[Entry] | Mapping[str, Entry],
    dataset: Any,
    *,
    task: Task | None = None,
    folds: int = 5,
    batch_size: int = 32,
    max_examples: int | None = None,
    image_size: Size | None = None,
    seed: int = 0,
) -> Comparison:
    """Finds out which of several models serves a task best, and what each costs.

    Each model is run once on all examples as a frozen trunk. A linear head on its features (logistic regression for
    classes, ridge regression for numbers) is then trained and tested on folds that are the same for all models. A model
    that cannot be had, or does not run on the inputs, becomes one of the `Comparison.failures`.

    Images may have any size: they are brought to the one that a model wants. Images of uint8 become numbers from 0 to 1
    where a model takes floating ones.

    Args:
        handles: Paths or URLs of models; or such by names of your choice. ``(handle, options)`` gives
            `rehub.KerasLayer` further arguments, such as ``{"signature": "default", "output_key": "pooled"}``.
        dataset: ``(inputs, labels)`` or a ``tf.data.Dataset`` of such pairs, in batches or one by one. Inputs are an
            array, a list of texts, a list of images, or a dict of arrays. Labels are texts, integers or numbers.
        task: What the labels are; None for classes if they are texts, integers, or only 0 and 1, else numbers.
        folds: How many parts the examples are divided into; each is the test of heads trained on the others.
        batch_size: How many examples a model is run on at once.
        max_examples: To be used at most, with about the same share of each class; None for all.
        image_size: Height and width of images for models that take all sizes; None for those that they have.
        seed: Which examples come together.

    Raises:
        ComparisonError: If the examples allow no comparison: one class only, or fewer of one than folds; or if no model
            runs.
        DependencyError: If TensorFlow is missing or too old.
    """
    import_tensorflow()
    models = named(handles)
    for name, value, least in (("folds", folds, 2), ("batch_size", batch_size, 1), ("max_examples", max_examples, 2)):
        if value is not None and value < least:
            raise ComparisonError(f"{name} is {value}.", hint=f"Pass at least {least}.")
    examples = read_examples(dataset, task)
    if max_examples is not None:
        examples = examples.sample(max_examples, seed)
    examples.check(folds)
    fold_of = fold_assignment.assign(examples.labels, folds, seed)
    rows, failures = [], []
    for name, (handle, options) in models.items():
        try:
            with _progress(name, len(examples)) as advance:
                measured = trunk.measure(handle, options, examples, batch_size, image_size, advance)
            scores = cross_validate(measured.features, examples.labels, fold_of)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's model does, it does not cost the others
            failures.append(ModelFailure(name, os.fspath(handle), options, error))
            continue
        rows.append(
            ModelScore(
                name=name,
                handle=os.fspath(handle),
                options=options,
                score=float(np.mean(scores)),
                standard_error=float(np.std(scores, ddof=1) / np.sqrt(folds)),
                fold_scores=scores,
                size_bytes=measured.size_bytes,
                parameters=measured.parameters,
                width=measured.features.shape[1],
                latency_s=measured.latency_s,
                load_s=measured.load_s,
            )
        )
    if not rows:
        raise _all_failed(failures)
    counts = np.unique(examples.labels, return_counts=True)[1]
    return Comparison(
        rows=tuple(sorted(rows, key=lambda row: -row.score)),
        failures=tuple(failures),
        metric="accuracy" if examples.classes else "R²",
        chance=float(counts.max() / len(examples)) if examples.classes else 0.0,
        examples=len(examples),
        classes=examples.classes,
        folds=folds,
        seed=seed,
        batch_size=min(batch_size, len(examples)),
    )


@contextlib.contextmanager
def _progress(name: str, total: int) -> Iterator[Callable[[int], object]]:
    if not progress.is_wanted(configuration.current()):
        yield lambda count: None
        return
    with progress.new_bar(total=total, desc=name, unit=" examples", leave=False) as bar:
        yield bar.update


def _all_failed(failures: Sequence[ModelFailure]) -> Exception:
    if len(failures) == 1:
        return failures[0].error
    reasons = "".join(f"\n  {failure.name}: {failure.error}" for failure in failures)
    return ComparisonError(
        f"None of {len(failures)} models could be compared:{reasons}\n", hint="See what each of them says."
    )

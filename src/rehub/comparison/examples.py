"""The examples that models are compared on: inputs in any form that users have them in, and labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rehub.comparison import folds
from rehub.errors import ComparisonError
from rehub.runtime.tf_version import import_tensorflow

Task = Literal["classification", "regression"]
_TEXT = "USO"
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Examples:
    """Inputs with labels, in one order.

    Attributes:
        inputs: An array ``[n, ...]`` (of Python strings for text), a sequence of images ``[height, width, channels]``
            of several sizes, or a dict of arrays.
        labels: ``[n]``: float64, or places in `classes`.
        classes: The labels that there are, sorted; empty where labels are numbers to predict.
    """

    inputs: Any
    labels: NDArray[Any]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def are_images(self) -> bool:
        """Whether each input is one image."""
        return getattr(self.inputs, "ndim", 0) == 4 or isinstance(self.inputs, Sequence)

    def pick(self, start: int, stop: int) -> Any:
        """Returns some of the inputs: an array, a list of images, or a dict of arrays."""
        if isinstance(self.inputs, Mapping):
            return {name: values[start:stop] for name, values in self.inputs.items()}
        if isinstance(self.inputs, np.ndarray):
            return self.inputs[start:stop]
        return [self.inputs[index] for index in range(start, min(stop, len(self)))]

    def sample(self, size: int, seed: int) -> Examples:
        """Returns fewer of them, in their order, with about the same share of each class."""
        chosen = folds.spread(self.labels, size, seed)
        if isinstance(self.inputs, Mapping):
            inputs: Any = {name: values[chosen] for name, values in self.inputs.items()}
        elif isinstance(self.inputs, np.ndarray):
            inputs = self.inputs[chosen]
        else:
            inputs = _Part(self.inputs, chosen)
        return dataclasses.replace(self, inputs=inputs, labels=self.labels[chosen])

    def check(self, folds: int) -> None:
        """Raises an error where no heads can be trained and tested.

        Raises:
            ComparisonError: If all labels are the same, or there are fewer examples of some than folds.
        """
        if not self.classes:
            if len(self) < folds or not np.ptp(self.labels):
                raise ComparisonError(
                    f"{len(self)} examples with labels from {self.labels.min():g} to {self.labels.max():g} are "
                    f"too few for {folds} folds, or all alike.",
                    hint="Pass more examples.",
                )
            return
        counts = np.bincount(self.labels)
        if len(counts) < 2:
            raise ComparisonError(
                f"All {len(self)} examples are of the class {self.classes[0]!r}.",
                hint="Pass examples of two classes or more.",
            )
        rare = [f"{self.classes[place]!r} ({counts[place]})" for place in np.flatnonzero(counts < folds)]
        if rare:
            others = f" and {len(rare) - _NAMED} others" if len(rare) > _NAMED else ""
            raise ComparisonError(
                f"Some classes have fewer examples than there are folds, {folds}: {', '.join(rare[:_NAMED])}{others}.",
                hint="Pass more examples of them, leave them out, or choose fewer folds; or, if the labels are numbers "
                "to predict, task='regression'.",
            )


class _Part(Sequence[Any]):
    """Some elements of a sequence, fetched when they are asked for: images may be read from files only then."""

    def __init__(self, whole: Sequence[Any], places: NDArray[np.int64]) -> None:
        self._whole, self._places = whole, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        return self._whole[self._places[index]]


def read_examples(dataset: Any, task: Task | None) -> Examples:
    """Brings a user's data into one form.

    Args:
        dataset: ``(inputs, labels)``, or a ``tf.data.Dataset`` of such pairs, in batches or one by one.
        task: What the labels are; None to tell it by them.

    Raises:
        ComparisonError: If it is something else, or inputs and labels do not belong together.
    """
    if hasattr(dataset, "element_spec"):
        inputs, labels = _unpack(dataset)
    elif isinstance(dataset, (tuple, list)) and len(dataset) == 2:
        inputs, labels = dataset
    else:
        raise ComparisonError(
            f"The dataset is a {type(dataset).__name__}, not inputs with labels.",
            hint="Pass a pair (inputs, labels), or a tf.data.Dataset of such pairs.",
        )
    inputs = _as_inputs(inputs)
    values, classes = _as_labels(labels, task)
    for name, part in inputs.items() if isinstance(inputs, Mapping) else [("", inputs)]:
        if len(part) != len(values):
            raise ComparisonError(
                f"There are {len(part)} inputs{f' {name!r}' if name else ''} and {len(values)} labels.",
                hint="Pass one label for each input.",
            )
    return Examples(inputs, values, classes)


def _unpack(dataset: Any) -> tuple[Any, Any]:
    """Reads a ``tf.data.Dataset`` to its end."""
    tf = import_tensorflow()
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        raise ComparisonError(
            f"The elements of the dataset are no pairs of inputs and label: {spec}.",
            hint="Make it one of pairs: dataset.map(lambda ...: (inputs, label)).",
        )
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ComparisonError("The dataset has no end.", hint="Say how much of it is meant: dataset.take(1000).")
    pairs = list(dataset.as_numpy_iterator())
    if not pairs:
        raise ComparisonError("The dataset is empty.", hint="Pass one with examples.")
    all_inputs, all_labels = zip(*pairs, strict=True)
    if spec[1].shape.rank == 0:
        return tf.nest.map_structure(lambda *each: list(each), *all_inputs), all_labels
    return tf.nest.map_structure(lambda *each: _joined(each), *all_inputs), np.concatenate(all_labels)


def _joined(batches: Sequence[Any]) -> Any:
    if len({batch.shape[1:] for batch in batches}) == 1:
        return np.concatenate(batches)
    return [example for batch in batches for example in batch]


def _as_inputs(inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return {name: _as_inputs(part) for name, part in inputs.items()}
    if isinstance(inputs, Sequence) and len(inputs):
        first = inputs[0]
        if isinstance(first, (str, bytes)):
            return np.array(inputs, object)
        if getattr(first, "ndim", 0) == 3:
            return inputs
    array = np.asarray(inputs)
    if array.dtype.kind in _TEXT:
        return array.astype(object)
    if not array.ndim:
        raise ComparisonError(f"The inputs are {inputs!r}.", hint="Pass one input for each example.")
    return array


def _as_labels(labels: Any, task: Task | None) -> tuple[NDArray[Any], tuple[str, ...]]:
    values = np.asarray(labels)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or not len(values):
        raise ComparisonError(
            f"The labels have the shape {list(values.shape)}; one for each example is wanted.",
            hint="Of one-hot labels, take np.argmax(labels, axis=1).",
        )
    if values.dtype.kind in _TEXT:
        values = np.array([each.decode() if isinstance(each, bytes) else str(each) for each in values])
    elif not np.isfinite(values).all():
        raise ComparisonError("Some labels are no numbers: NaN or infinite.", hint="Leave these examples out.")
    if (task or _guess_task(values)) == "classification":
        classes, places = np.unique(values, return_inverse=True)
        return places.reshape(-1), tuple(str(each) for each in classes)
    try:
        return values.astype(np.float64), ()
    except ValueError as error:
        raise ComparisonError(
            f"Labels to predict as numbers are texts: {error}.", hint="Pass numbers, or task='classification'."
        ) from error


def _guess_task(labels: NDArray[Any]) -> Task:
    """Floating labels are numbers to predict, unless they only say yes and no, as Keras' binary losses want it."""
    return "regression" if labels.dtype.kind == "f" and not np.isin(labels, (0, 1)).all() else "classification"

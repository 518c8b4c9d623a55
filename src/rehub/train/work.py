"""The two things that are trained: the head on features that are there, and head and trunk together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from rehub.train.classifier import Head
from rehub.train.examples import Examples
from rehub.train.inputs import Inputs, order_of, seeds_of
from rehub.train.scores import Scores
from rehub.train.stage import raw
from rehub.train.trunk import Trunk

_PENALTY = 1e-4
"""On the squares of the head's weights, which else grow without end where a line divides the classes."""

_ROWS = 4096


class HeadWork:
    """The head alone.

    Args:
        head: It is given the mean and the variance of the features here.
        features: Of the examples to train with, float32 ``[n, width]``.
        examples: To train with.
        held_out: Features for the validation.
        validation: The examples of these.
        batch_size: Of a step.
        seed: Of the order.
    """

    name = "head"

    def __init__(
        self,
        head: Head,
        features: NDArray[np.float32],
        examples: Examples,
        held_out: NDArray[np.float32],
        validation: Examples,
        batch_size: int,
        seed: int,
    ) -> None:
        self._head = head
        self._features, self._labels = features, examples.labels
        self._held_out, self._validation = held_out, validation
        self._batch_size, self._seed = batch_size, seed
        head.standardise(*_moments(features))
        self.variables: Sequence[Any] = list(head.dense.trainable_variables)
        self.values: Sequence[Any] = [head.mean, head.scale, *map(raw, self.variables)]
        self.spec = tf.TensorSpec([None, features.shape[1]], tf.float32)

    def batches(self, epoch: int, first: int) -> Iterator[tuple[Any, Any]]:
        """See `rehub.train.stage.Work`."""
        order = order_of(len(self._labels), self._seed, epoch)
        for start in range(first * self._batch_size, len(order), self._batch_size):
            chosen = order[start : start + self._batch_size]
            yield tf.constant(self._features[chosen]), tf.constant(self._labels[chosen])

    def logits(self, inputs: Any) -> Any:
        """See `rehub.train.stage.Work`."""
        return self._head(inputs)

    def penalty(self) -> Any:
        """See `rehub.train.stage.Work`."""
        return _penalty(self._head)

    def evaluate(self) -> Scores:
        """See `rehub.train.stage.Work`."""
        parts = [
            tf.nn.softmax(self._head(tf.constant(self._held_out[start : start + _ROWS]))).numpy()
            for start in range(0, len(self._held_out), _ROWS)
        ]
        return Scores(np.concatenate(parts), self._validation.labels)


class TuningWork:
    """Trunk and head together. The trunk runs as for inference: without dropout, with fixed statistics.

    Args:
        trunk: Of which the variables that its publisher declared trainable are tuned.
        head: It is trained already.
        inputs: How examples become tensors.
        examples: To train with.
        validation: To be evaluated on.
        batch_size: Of a step.
        seed: Of the order, and of what images are varied by.
        augment: Whether they are varied.
    """

    name = "fine-tuning"

    def __init__(
        self,
        trunk: Trunk,
        head: Head,
        inputs: Inputs,
        examples: Examples,
        validation: Examples,
        batch_size: int,
        seed: int,
        *,
        augment: bool,
    ) -> None:
        self._trunk, self._head, self._inputs = trunk, head, inputs
        self._examples, self._validation = examples, validation
        self._batch_size, self._seed, self._augment = batch_size, seed, augment
        self.variables: Sequence[Any] = [*head.dense.trainable_variables, *trunk.layer.trainable_variables]
        self.values: Sequence[Any] = [head.mean, head.scale, *map(raw, self.variables)]
        self.spec = trunk.spec
        self._predict = tf.function(lambda batch: tf.nn.softmax(self.logits(batch)), input_signature=[trunk.spec])

    def batches(self, epoch: int, first: int) -> Any:
        """See `rehub.train.stage.Work`."""
        count, skipped = len(self._examples), first * self._batch_size
        order = order_of(count, self._seed, epoch)[skipped:]
        seeds = seeds_of(count, self._seed, epoch)[skipped:] if self._augment else None
        return self._inputs.batches(self._examples, order, self._batch_size, seeds)

    def logits(self, inputs: Any) -> Any:
        """See `rehub.train.stage.Work`."""
        return self._head(self._trunk.features(inputs))

    def penalty(self) -> Any:
        """See `rehub.train.stage.Work`."""
        return tf.add_n([_penalty(self._head), *self._trunk.layer.losses])

    def evaluate(self) -> Scores:
        """See `rehub.train.stage.Work`."""
        order = np.arange(len(self._validation))
        batches = self._inputs.batches(self._validation, order, self._batch_size)
        return Scores(np.concatenate([self._predict(batch).numpy() for batch, _ in batches]), self._validation.labels)


def _penalty(head: Head) -> Any:
    return _PENALTY * tf.reduce_sum(tf.square(tf.convert_to_tensor(head.dense.kernel)))


def _moments(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns mean and variance of each column, of features that need not fit into memory."""
    parts = range(0, len(features), _ROWS)
    mean = sum(features[start : start + _ROWS].sum(axis=0, dtype=np.float64) for start in parts) / len(features)
    squares = sum(
        ((features[start : start + _ROWS].astype(np.float64) - mean) ** 2).sum(axis=0) for start in parts
    ) / len(features)
    return np.asarray(mean, np.float32), np.asarray(squares, np.float32)

"""The heads that are put on the features of a frozen trunk: linear ones, trained to the end.

Both have one best solution, and nothing about finding it is left to chance, so that a difference between two trunks is
none of two trainings. A dense head that Keras trains for some epochs lacks both.

All work in the directions of the features' greatest variance, where the logistic loss is bounded by a parabola along
each axis. Turning the features changes no solution: the penalty is the same from all directions.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.bool_]
Array = NDArray[Any]

_TOLERANCE = 3e-5
_MAX_STEPS = 1000
_NEGLIGIBLE = 1e-10


@dataclasses.dataclass(frozen=True)
class Space:
    """The features of all examples, turned and centred.

    Attributes:
        rows: float32 ``[n, r + 1]``; the last column is one everywhere and gives a head its bias.
        energy: ``[r + 1]``: the sum of squares of each column.
    """

    rows: NDArray[np.float32]
    energy: NDArray[np.float64]

    @classmethod
    def of(cls, features: Array) -> Space:
        """Turns features ``[n, width]``; directions in which nothing varies are left out."""
        centred = features.astype(np.float64)
        centred -= centred.mean(axis=0)
        n, width = centred.shape
        if width <= n:
            energy, directions = np.linalg.eigh(centred.T @ centred)
            rows = centred @ directions
        else:
            energy, left = np.linalg.eigh(centred @ centred.T)
            rows = left * np.sqrt(np.maximum(energy, 0))
        kept = energy > energy[-1] * _NEGLIGIBLE
        ones = np.ones((n, 1))
        return cls(np.hstack([rows[:, kept], ones]).astype(np.float32), np.append(energy[kept], n))

    def penalty(self, strength: float) -> Array:
        """Returns the factor of each squared weight ``[r + 1, 1]``, as a share of a mean example's squared norm."""
        penalty = np.full((len(self.energy), 1), strength * self.energy[:-1].sum() / self.energy[-1])
        penalty[-1] = 0  # the bias is free
        return penalty


class Head(Protocol):
    """One kind of head, on one space and its labels; weights are ``[r + 1, outputs]``."""

    def fit(self, train: Rows, strength: float, start: Array | None) -> Array:
        """Returns the weights that fit some rows best.

        Args:
            train: Which rows, as a mask.
            strength: Of the L2 penalty; above zero.
            start: Weights that may be near.
        """

    def loss(self, rows: Rows, weights: Array) -> float:
        """Returns what `fit` minimizes on some rows, without the penalty."""

    def score(self, rows: Rows, weights: Array) -> float:
        """Returns how good the predictions for some rows are; 1 is perfect."""


@dataclasses.dataclass(frozen=True)
class LogisticHead:
    """Multinomial logistic regression; its score is the accuracy.

    `labels` are ``[n]``, from 0.
    """

    space: Space
    labels: NDArray[np.int64]

    def fit(self, train: Rows, strength: float, start: Array | None) -> Array:
        """Descends by accelerated gradients, restarted where they lead back (O'Donoghue and Candès, 2015).

        The step along each axis is exact for a parabola above the loss: the softmax' curvature is at most one half
        (Böhning, 1992), and the rows to train with have no more energy along an axis than all have.
        """
        rows, truth = self.space.rows[train], self._one_hot[train]
        penalty = self.space.penalty(strength).astype(np.float32)
        step = 1 / (self.space.energy[:, None].astype(np.float32) / (2 * len(rows)) + penalty)
        weights = np.zeros((rows.shape[1], truth.shape[1]), np.float32) if start is None else start
        ahead, momentum = weights, 1.0
        for _ in range(_MAX_STEPS):
            gradient = rows.T @ (_softmax(rows @ ahead) - truth) / len(rows) + penalty * ahead
            if np.sqrt(np.sum(step * gradient**2)) < _TOLERANCE:
                break
            following = ahead - step * gradient
            if np.sum((ahead - following) * (following - weights)) > 0:
                momentum = 1.0
            greater = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = following + np.float32((momentum - 1) / greater) * (following - weights)
            weights, momentum = following, greater
        return weights

    def loss(self, rows: Rows, weights: Array) -> float:
        """Returns the mean cross-entropy."""
        probabilities = _softmax(self.space.rows[rows] @ weights)
        chosen = np.take_along_axis(probabilities, self.labels[rows][:, None], axis=1)
        return float(-np.mean(np.log(np.maximum(chosen, np.finfo(np.float32).tiny))))

    def score(self, rows: Rows, weights: Array) -> float:
        """Returns the share of right answers."""
        return float(np.mean(np.argmax(self.space.rows[rows] @ weights, axis=1) == self.labels[rows]))

    @property
    def _one_hot(self) -> NDArray[np.float32]:
        return np.eye(int(self.labels.max()) + 1, dtype=np.float32)[self.labels]


@dataclasses.dataclass(frozen=True)
class RidgeHead:
    """Linear regression with an L2 penalty; its score is R², against the variance of all labels.

    `labels` are float64 ``[n]``.
    """

    space: Space
    labels: NDArray[np.float64]

    def fit(self, train: Rows, strength: float, start: Array | None) -> Array:
        """Solves the normal equations."""
        rows = self.space.rows[train].astype(np.float64)
        penalty = len(rows) * self.space.penalty(strength)
        weights: Array = np.linalg.solve(rows.T @ rows + np.diag(penalty[:, 0]), rows.T @ self.labels[train][:, None])
        return weights

    def loss(self, rows: Rows, weights: Array) -> float:
        """Returns the mean squared error."""
        return float(np.mean((self.space.rows[rows] @ weights[:, 0] - self.labels[rows]) ** 2))

    def score(self, rows: Rows, weights: Array) -> float:
        """Returns R²; it is negative where the mean of all labels predicts better."""
        return float(1 - self.loss(rows, weights) / np.var(self.labels))


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Array = powers / powers.sum(axis=1, keepdims=True)
    return probabilities

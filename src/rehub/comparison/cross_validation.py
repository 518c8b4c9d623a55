"""How well a linear head does on features that it was not trained with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rehub.comparison import folds
from rehub.comparison.heads import Head, LogisticHead, RidgeHead, Space

_STRENGTHS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
_INNER_FOLDS = 4


def cross_validate(features: NDArray[Any], labels: NDArray[Any], fold_of: NDArray[np.int64]) -> tuple[float, ...]:
    """Trains a head once for each fold, without that fold, and returns its score there: accuracy, or R².

    The strength of the penalty is chosen within the examples to train with, since trunks need different ones.

    Args:
        features: ``[n, width]``.
        labels: ``[n]``: floating numbers to predict, or classes from 0.
        fold_of: ``[n]``, from 0.
    """
    space = Space.of(features)
    head: Head = RidgeHead(space, labels) if labels.dtype.kind == "f" else LogisticHead(space, labels)
    scores = []
    for fold in range(int(fold_of.max()) + 1):
        train = fold_of != fold
        weights = head.fit(train, _choose_strength(head, labels, train, fold), None)
        scores.append(head.score(~train, weights))
    return tuple(scores)


def _choose_strength(head: Head, labels: NDArray[Any], train: NDArray[np.bool_], seed: int) -> float:
    """Tries penalties from strong to weak on a part of the training examples, until a weaker one does no good."""
    places = np.flatnonzero(train)
    held_out = np.zeros_like(train)
    held_out[places[folds.assign(labels[places], _INNER_FOLDS, seed) == 0]] = True
    best, lowest, weights = _STRENGTHS[0], np.inf, None
    for strength in _STRENGTHS:
        weights = head.fit(train & ~held_out, strength, weights)
        loss = head.loss(held_out, weights)
        if loss >= lowest:
            break
        best, lowest = strength, loss
    return best

"""Which examples are tested together: the same folds for all models, with about the same labels in each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def assign(labels: NDArray[np.generic], folds: int, seed: int) -> NDArray[np.int64]:
    """Returns the fold of each example: from 0, as many examples in each as in the others, or one more.

    The examples of a class are spread evenly, too; so are numbers, from low to high.

    Args:
        labels: ``[n]``, classes or numbers.
        folds: How many.
        seed: Which examples come together.
    """
    fold_of = np.empty(len(labels), np.int64)
    fold_of[_by_label(labels, folds, seed)] = np.arange(len(labels)) % folds
    return fold_of


def spread(labels: NDArray[np.generic], size: int, seed: int) -> NDArray[np.int64]:
    """Returns the places of some examples, ascending, with about the same share of each class as in all.

    Args:
        labels: ``[n]``, classes or numbers.
        size: How many; all, if there are no more.
        seed: Which ones.
    """
    size = min(size, len(labels))
    return np.sort(_by_label(labels, 1, seed)[np.arange(size) * len(labels) // size])


def _by_label(labels: NDArray[np.generic], together: int, seed: int) -> NDArray[np.int64]:
    """Returns the places of the examples, sorted by label; in random order within a class.

    Numbers count as a class if they are next to each other, as many as stand `together`.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    if labels.dtype.kind != "f":
        return np.lexsort((shuffled, labels))
    rank = np.empty(len(labels), np.int64)
    rank[np.lexsort((shuffled, labels))] = np.arange(len(labels))
    return np.lexsort((shuffled, rank // together))

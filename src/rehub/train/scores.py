"""How good predictions are."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Scores:
    """Predictions for examples of which the classes are known.

    Attributes:
        probabilities: float32 ``[n, classes]``.
        labels: int64 ``[n]``.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The class that each is taken for."""
        return np.asarray(np.argmax(self.probabilities, axis=1), np.int64)

    @property
    def loss(self) -> float:
        """The mean cross-entropy, in nats."""
        chosen = self.probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.mean(np.log(np.maximum(chosen.astype(np.float64), 1e-12))))

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return float(np.mean(self.predicted == self.labels))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """How many of each class (rows) are taken for each class (columns)."""
        classes = self.probabilities.shape[1]
        flat = np.bincount(self.labels * classes + self.predicted, minlength=classes * classes)
        return np.asarray(flat.reshape(classes, classes), np.int64)

    def of_classes(self) -> list[dict[str, Any]]:
        """Returns precision, recall and F1 of each class; None where nothing can be said."""
        confusion = self.confusion
        rows = []
        for label, right in enumerate(np.diagonal(confusion)):
            taken, there = int(confusion[:, label].sum()), int(confusion[label].sum())
            rows.append(
                {
                    "precision": _share(int(right), taken),
                    "recall": _share(int(right), there),
                    "f1": _share(2 * int(right), taken + there),
                }
            )
        return rows


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None

"""What a training made."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Result:
    """A trained classifier, and how good it is.

    Attributes:
        folder: Has ``model`` (a Reusable SavedModel, with its card), ``labels.txt``, ``metrics.json``,
            ``confusion.png``, ``curves.png`` and, if that was wanted, ``model.tflite``.
        classes: In the order of the model's outputs.
        accuracy: The share of right answers on the validation examples.
        metrics: All of ``metrics.json``.
        tflite_problem: Why there is no file for LiteRT though one was wanted; else empty.
    """

    folder: Path
    classes: tuple[str, ...]
    accuracy: float
    metrics: dict[str, Any]
    tflite_problem: str = ""

    @property
    def model(self) -> Path:
        """The folder of the model, for `rehub.load` and `rehub.KerasLayer`."""
        return self.folder / "model"

"""How a training goes unless its user says otherwise, and why. ``docs/training.md`` tells the sources."""

from __future__ import annotations

import dataclasses
import math

from rehub.errors import UsageError
from rehub.train.trunk import Size, Trunk

HEAD_EPOCHS = 30
"""Features are computed once, so an epoch of the head costs next to nothing."""

TUNING_EPOCHS = 5

_HEAD_RATE = 0.1
"""Divided by the root of the width: a step of Adam moves all weights, and so a logit by as many times the rate."""

_RATES = {"words": 1e-3, "image": 1e-4, "text": 3e-5}
"""Of fine-tuning: of a table of word vectors, of networks for images, of networks for texts."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a user may choose of a training.

    Attributes:
        fine_tune: Whether the trunk is trained, too, after the head.
        epochs: Of fine-tuning; of the head, where there is none. None for `TUNING_EPOCHS` or `HEAD_EPOCHS`.
        batch_size: How many examples make one step.
        learning_rate: The highest one of fine-tuning; of the head, where there is none. None to choose it by the model.
        validation: The share of the examples that is kept to validate by.
        seed: Of all that is left to chance.
        augment: Whether fine-tuning varies images.
        image_size: Height and width that images are brought to; None for what the model takes.
        signature: Of the model.
        output_key: Of the model.
    """

    fine_tune: bool = True
    epochs: int | None = None
    batch_size: int = 32
    learning_rate: float | None = None
    validation: float = 0.2
    seed: int = 0
    augment: bool = False
    image_size: Size | None = None
    signature: str | None = None
    output_key: str | None = None

    def __post_init__(self) -> None:
        limits = (
            ("epochs", self.epochs, 1, "at least 1"),
            ("batch_size", self.batch_size, 1, "at least 1"),
            ("seed", self.seed, 0, "0 or more"),
        )
        for name, value, least, said in limits:
            if value is not None and value < least:
                raise UsageError(f"{name} is {value}.", hint=f"Pass {said}.")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise UsageError(f"learning_rate is {self.learning_rate}.", hint="Pass a positive number, such as 1e-4.")
        if not 0 < self.validation < 1:
            raise UsageError(f"validation is {self.validation}.", hint="Pass a share between 0 and 1, such as 0.2.")
        if self.image_size is not None and min(self.image_size) < 1:
            raise UsageError(f"image_size is {self.image_size}.", hint="Pass height and width, such as (224, 224).")
        if self.augment and not self.fine_tune:
            raise UsageError(
                "Images are to be varied for a model that is not fine-tuned.",
                hint="Fine-tune it, or leave augment out: of a frozen model, features are computed once.",
            )

    def head_epochs(self, *, tunes: bool) -> int:
        """Returns how many epochs the head is trained alone."""
        return HEAD_EPOCHS if tunes else self.epochs or HEAD_EPOCHS

    def head_rate(self, trunk: Trunk, *, tunes: bool) -> float:
        """Returns the highest learning rate of the head."""
        chosen = None if tunes else self.learning_rate
        return chosen or _HEAD_RATE / math.sqrt(trunk.width)

    def tuning_rate(self, trunk: Trunk) -> float:
        """Returns the highest learning rate of fine-tuning."""
        return self.learning_rate or _RATES["words" if trunk.trains_words_alone else trunk.kind]

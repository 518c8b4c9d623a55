"""The stages of a training, one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rehub.train import features
from rehub.train.bar import bar
from rehub.train.classifier import Head
from rehub.train.examples import Examples
from rehub.train.inputs import Inputs
from rehub.train.recipe import TUNING_EPOCHS, Recipe
from rehub.train.scores import Scores
from rehub.train.stage import Epoch, Stage, Work, best_of
from rehub.train.trunk import Trunk
from rehub.train.unfinished import Unfinished
from rehub.train.work import HeadWork, TuningWork

Tell = Callable[[str], object]


class Training:
    """First the head on what the frozen trunk makes of the examples; then, if that is wanted, both together.

    Args:
        trunk: The published model.
        inputs: How examples become tensors.
        examples: To train with.
        validation: To choose the best epoch by.
        recipe: How.
        unfinished: Where all that is done is kept.
        tell: Is told what is done.

    Attributes:
        head: What decides.
    """

    def __init__(
        self,
        trunk: Trunk,
        inputs: Inputs,
        examples: Examples,
        validation: Examples,
        recipe: Recipe,
        unfinished: Unfinished,
        tell: Tell,
    ) -> None:
        self._trunk, self._inputs = trunk, inputs
        self._examples, self._validation = examples, validation
        self._recipe, self._unfinished, self._tell = recipe, unfinished, tell
        self._steps = math.ceil(len(examples) / recipe.batch_size)
        self.head = Head(trunk.width, len(examples.classes))

    def run(self, *, tunes: bool) -> tuple[list[Epoch], Scores]:
        """Trains.

        Args:
            tunes: Whether the trunk is tuned, too.

        Returns:
            All epochs, and how good the model is on the validation examples.
        """
        is_tuning = tunes and self._stage_begun() == TuningWork.name
        if not is_tuning:
            head, work = self._train_head(tunes=tunes)
            if not tunes:
                return head, work.evaluate()
        else:
            head = []
        return self._tune(head)

    def _stage_begun(self) -> str:
        last = self._unfinished.last_checkpoint()
        return "" if last is None else str(last[1]["stage"])

    def _train_head(self, *, tunes: bool) -> tuple[list[Epoch], Work]:
        recipe = self._recipe
        held_out = self._features(self._validation, "validation-features")
        work = HeadWork(
            self.head,
            self._features(self._examples, "features"),
            self._examples,
            held_out,
            self._validation,
            recipe.batch_size,
            recipe.seed,
        )
        epochs = recipe.head_epochs(tunes=tunes)
        rate = recipe.head_rate(self._trunk, tunes=tunes)
        self._tell(f"Training the head alone on these, for {epochs} epochs at a learning rate of {rate:.2g}")
        done, _ = self._run_stage(work, epochs, rate, [], lambda line: None)
        best = best_of(done)
        self._tell(
            f"Best after epoch {best.number}: validation loss {best.validation_loss:.3f}, "
            f"accuracy {best.validation_accuracy:.3f}"
        )
        return done, work

    def _tune(self, before: list[Epoch]) -> tuple[list[Epoch], Scores]:
        recipe = self._recipe
        work = TuningWork(
            self._trunk,
            self.head,
            self._inputs,
            self._examples,
            self._validation,
            recipe.batch_size,
            recipe.seed,
            augment=recipe.augment,
        )
        epochs, rate = recipe.epochs or TUNING_EPOCHS, recipe.tuning_rate(self._trunk)
        self._tell(f"Fine-tuning all of it, for {epochs} epochs at a learning rate of {rate:.2g}")
        done, before = self._run_stage(work, epochs, rate, before, self._tell)
        best = best_of(done)
        if best.number == 0:
            self._tell("No epoch of fine-tuning was better than the head alone, which is what is kept.")
        else:
            self._tell(f"Kept is what there was after epoch {best.number}.")
        return [*before, *done], work.evaluate()

    def _run_stage(
        self, work: Work, epochs: int, rate: float, before: list[Epoch], tell: Tell
    ) -> tuple[list[Epoch], list[Epoch]]:
        """Runs a stage, from its last checkpoint if there is one; returns its epochs and those before it."""
        stage = Stage(work, self._unfinished, epochs, self._steps, rate)
        last = self._unfinished.last_checkpoint()
        note = None
        if last is not None and last[1]["stage"] == work.name:
            folder, note = last
            stage.restore(note, folder.name)
            before = [Epoch(**each) for each in note["before"]]
        return stage.run(note is not None, before, tell), before

    def _features(self, examples: Examples, name: str) -> NDArray[np.float32]:
        what = "Running the frozen model on the examples"
        if name == "features":
            self._tell(f"{what}, once")
        with bar(what, "example", len(examples)) as advance:
            return features.compute(
                self._trunk, self._inputs, examples, self._recipe.batch_size, self._unfinished, name, advance
            )

"""One stage of a training: epochs over the examples, which go on where they stopped as if they had not."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import tensorflow as tf

from rehub.errors import TrainingError
from rehub.train.bar import bar
from rehub.train.scores import Scores
from rehub.train.unfinished import Unfinished

_CHECKPOINT_EVERY_S = 60.0
_WARM_UP = 0.1
_LARGEST_GRADIENT = 1.0
_PREFIX = "variables"


class Work(Protocol):
    """What a stage does with a model.

    Attributes:
        name: Of the stage, for people.
        variables: What is trained, as Keras has it.
        values: The ``tf.Variable`` objects that may change, by which the model can be put back.
        spec: The ``tf.TensorSpec`` of a batch of inputs.
    """

    name: str
    variables: Sequence[Any]
    values: Sequence[Any]
    spec: Any

    def batches(self, epoch: int, first: int) -> Any:
        """Returns the batches of an epoch, ``(inputs, labels)``, from one on."""
        ...

    def logits(self, inputs: Any) -> Any:
        """Calls the model."""
        ...

    def penalty(self) -> Any:
        """Returns what is added to the loss."""
        ...

    def evaluate(self) -> Scores:
        """Returns how good the model is on the validation examples."""
        ...


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What came of one epoch; number 0 is the state before the first one.

    Attributes:
        stage: Its name.
        number: From 1.
        loss: On the examples to train with, while they were; None for number 0.
        accuracy: The same.
        validation_loss: After the epoch.
        validation_accuracy: The same.
    """

    stage: str
    number: int
    loss: float | None
    accuracy: float | None
    validation_loss: float
    validation_accuracy: float


class Stage:
    """Trains by Adam. The rate rises in the first tenth of the steps, and then falls to zero along a cosine.

    Args:
        work: What is done.
        unfinished: Where checkpoints are kept.
        epochs: How many.
        steps: Of an epoch.
        learning_rate: The highest.
    """

    def __init__(self, work: Work, unfinished: Unfinished, epochs: int, steps: int, learning_rate: float) -> None:
        self._work = work
        self._unfinished = unfinished
        self._epochs, self._steps = epochs, steps
        total = epochs * steps
        warm_up = round(_WARM_UP * total)
        schedule = tf.keras.optimizers.schedules.CosineDecay(
            0.0 if warm_up else learning_rate,
            max(total - warm_up, 1),
            warmup_target=learning_rate if warm_up else None,
            warmup_steps=warm_up,
        )
        self._optimizer = tf.keras.optimizers.Adam(schedule)
        self._optimizer.build(list(work.variables))
        self._sums = [tf.Variable(0.0), tf.Variable(0, dtype=tf.int64), tf.Variable(0, dtype=tf.int64)]
        self._states = tf.train.Checkpoint(
            values=[*work.values, *map(raw, _variables_of(self._optimizer)), *self._sums]
        )
        self._history: list[Epoch] = []
        self._best = ""
        spec = [work.spec, tf.TensorSpec([None], tf.int64)]
        self._train_step = tf.function(self._step, input_signature=spec)

    def run(self, is_restored: bool, before: Sequence[Epoch], tell: Callable[[str], object]) -> list[Epoch]:
        """Trains to the end, and puts the model back to the epoch with the least validation loss.

        Args:
            is_restored: Whether `restore` was called; else it begins.
            before: The epochs of the stages before, for the notes of checkpoints.
            tell: Is told of each epoch.

        Returns:
            The epochs, with the state before the first one.
        """
        if not is_restored:
            scores = self._work.evaluate()
            self._history = [Epoch(self._work.name, 0, None, None, scores.loss, scores.accuracy)]
            self._save(before)
        try:
            self._run(before, tell)
        except (KeyboardInterrupt, SystemExit):
            self._save(before)
            raise
        if self._best:
            self._states.read(str(self._unfinished.checkpoint(self._best) / _PREFIX)).assert_consumed()
        return self._history

    def restore(self, note: Mapping[str, Any], name: str) -> None:
        """Puts everything back to a checkpoint of this stage."""
        self._states.read(str(self._unfinished.checkpoint(name) / _PREFIX)).assert_consumed()
        self._history = [Epoch(**each) for each in note["epochs"]]
        self._best = note["best"] or name

    @property
    def _done(self) -> int:
        """How many steps; the optimizer counts them in the step itself, so an interrupt cannot come in between."""
        return int(self._optimizer.iterations.numpy())

    def _run(self, before: Sequence[Epoch], tell: Callable[[str], object]) -> None:
        while len(self._history) <= self._epochs:
            epoch = len(self._history) - 1
            first = self._done - epoch * self._steps
            with bar(f"{self._work.name}, epoch {epoch + 1} of {self._epochs}", "step", self._steps, first) as advance:
                self._train(epoch, first, before, advance)
                self._finish(epoch)
            self._save(before)
            tell(self._told())

    def _train(self, epoch: int, first: int, before: Sequence[Epoch], advance: Callable[[int], object]) -> None:
        if first == 0:
            for value in self._sums:
                value.assign(tf.zeros_like(value))
        saved_s = time.monotonic()
        if first < self._steps:
            for inputs, labels in self._work.batches(epoch, first):
                self._train_step(inputs, labels)
                advance(1)
                if time.monotonic() - saved_s > _CHECKPOINT_EVERY_S:
                    self._save(before)
                    saved_s = time.monotonic()

    def _step(self, inputs: Any, labels: Any) -> None:
        variables = list(self._work.variables)
        with tf.GradientTape() as tape:
            logits = self._work.logits(inputs)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses) + self._work.penalty()
        gradients = tape.gradient(loss, variables)
        clipped, _ = tf.clip_by_global_norm(gradients, _LARGEST_GRADIENT)
        pairs = [pair for pair in zip(clipped, variables, strict=True) if pair[0] is not None]
        self._optimizer.apply_gradients(pairs)
        right = tf.math.count_nonzero(tf.argmax(logits, axis=1) == labels)
        for total, value in zip(
            self._sums, (tf.reduce_sum(losses), right, tf.size(labels, out_type=tf.int64)), strict=True
        ):
            total.assign_add(value)

    def _finish(self, epoch: int) -> None:
        scores = self._work.evaluate()
        total, right, seen = (float(value.numpy()) for value in self._sums)
        if not math.isfinite(total + scores.loss):
            raise TrainingError(
                f"{self._work.name}, epoch {epoch + 1}: the loss is no finite number any more.",
                hint=f"Remove '{self._unfinished.folder}', and train with a lower learning rate.",
            )
        loss, accuracy = total / seen, right / seen
        self._history.append(Epoch(self._work.name, epoch + 1, loss, accuracy, scores.loss, scores.accuracy))

    def _save(self, before: Sequence[Epoch]) -> None:
        """Writes a checkpoint; those that are neither the last nor the best one are removed."""
        is_best = self._done == (len(self._history) - 1) * self._steps and best_of(self._history) is self._history[-1]
        note = {
            "stage": self._work.name,
            "before": [dataclasses.asdict(each) for each in before],
            "epochs": [dataclasses.asdict(each) for each in self._history],
            "best": "" if is_best else self._best,
        }
        with self._unfinished.new_checkpoint(note) as folder:
            self._states.write(str(folder / _PREFIX))
        last = self._unfinished.last_checkpoint()
        assert last is not None, "it was just written"
        if is_best:
            self._best = last[0].name
        self._unfinished.keep(last[0].name, self._best)

    def _told(self) -> str:
        last = self._history[-1]
        is_best = " (best so far)" if best_of(self._history) is last else ""
        return (
            f"{last.stage}, epoch {last.number} of {self._epochs}: loss {last.loss:.3f}, accuracy {last.accuracy:.3f}; "
            f"validation loss {last.validation_loss:.3f}, accuracy {last.validation_accuracy:.3f}{is_best}"
        )


def best_of(epochs: Sequence[Epoch]) -> Epoch:
    """Returns the epoch with the least validation loss, the first one of equals."""
    return min(epochs, key=lambda each: each.validation_loss)


def raw(variable: Any) -> Any:
    """Returns the ``tf.Variable`` of a variable of Keras 3, or of Keras 2."""
    return variable.value if hasattr(variable, "path") else variable


def _variables_of(optimizer: Any) -> list[Any]:
    variables = optimizer.variables
    return list(variables() if callable(variables) else variables)

"""Rules about what happens when the model runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator

from rehub.publish.probe_facts import Call, Facts, Training
from rehub.publish.rules.rule import Found, Rule
from rehub.publish.rules.subject import Subject

_SHOWN = 3
_NOT_RUN = "the model was not run"


def _was_run(subject: Subject) -> Iterable[Found] | str:
    if subject.facts is None:
        return "the model is not to be run"
    if not subject.facts.not_run:
        return ()
    what = f"the model was not run: {subject.facts.not_run.rstrip('.')}"
    return [Found("all", what, "Install TensorFlow beside rehub, and check the model again.")]


def _loads(facts: Facts) -> Iterator[Found]:
    if facts.load_error:
        yield Found("all", f"it cannot be loaded: {facts.load_error}", "Load it with hub.load to see where it fails.")


def _survives(facts: Facts) -> Iterator[Found]:
    if facts.crash:
        yield Found(
            "all",
            facts.crash,
            "Look for what it does there; if it is only slow or large, allow more by --timeout and --memory.",
        )


def _calls(facts: Facts) -> Iterator[Found]:
    for call in facts.calls:
        if call.error:
            yield Found(
                call.what,
                f"it fails with inputs that were made for it: {call.error}",
                "Make it work with every input of this shape, or give it a narrower input signature.",
            )


def _batches(facts: Facts) -> Iterator[Found]:
    failed = {call.what for call in facts.calls if call.error}
    for call in facts.batches:
        if call.error and call.what not in failed:
            yield Found(
                call.what,
                f"it does not work with {_examples(call)}: {call.error}",
                "Compute with tf.shape(inputs)[0] instead of a fixed number, and keep one row for each example.",
            )


def _examples(call: Call) -> str:
    return f"{call.batch} example{'' if call.batch == 1 else 's'}"


def _finite(facts: Facts) -> Iterator[Found]:
    for call in facts.calls:
        if not call.is_finite:
            yield Found(
                call.what,
                "it returns numbers that are not finite for inputs between 0 and 1",
                "Look for divisions by zero and logarithms of it; check the values of the variables.",
            )


def _losses(facts: Facts) -> Iterator[Found]:
    for loss in facts.losses:
        if loss.error:
            yield Found(
                f"regularization_losses[{loss.place}]",
                loss.error,
                "Let it be a tf.function without arguments that returns one finite float: a scalar.",
            )


def _trains(training: Training) -> Iterator[Found]:
    if training.error:
        yield Found(
            training.what or "all",
            f"one step of training it fails: {training.error}",
            "Use ops that have gradients; or say 'fine-tunable: false' in the card.",
        )
    elif 0 < training.trainable == len(training.without_gradient):
        yield Found(
            training.what,
            f"no gradient arrives at any of its {training.trainable} trainable variables",
            "Look for tf.stop_gradient, tf.argmax, rounding and casts to integers between them and the output.",
        )


def _blocked(training: Training) -> Iterator[Found]:
    lost = training.without_gradient
    if 0 < len(lost) < training.trainable:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        yield Found(
            training.what,
            f"no gradient arrives at {', '.join(map(repr, lost[:_SHOWN]))}{more}, so training leaves them as they are",
            "Take them out of 'trainable_variables', or let the gradient through.",
        )


def _strange(training: Training) -> Iterator[Found]:
    if training.not_finite:
        yield Found(
            training.what,
            f"the gradients of {', '.join(map(repr, training.not_finite[:_SHOWN]))} are not finite",
            "Look for square roots, logarithms and divisions at zero.",
        )


def _trainable(training: Training) -> Iterator[Found]:
    if training.skipped:
        yield Found(
            training.what or "__call__",
            f"it cannot be fine-tuned: {training.skipped}",
            "Export it with 'trainable_variables', by 'hub.export'; or say 'fine-tunable: false' in the card.",
        )


def _of_facts(find: Callable[[Facts], Iterator[Found]], subject: Subject) -> Iterable[Found] | str:
    if subject.facts is None or subject.facts.not_run:
        return _NOT_RUN
    return find(subject.facts)


def _of_training(find: Callable[[Training], Iterator[Found]], subject: Subject) -> Iterable[Found] | str:
    if subject.facts is None or subject.facts.training is None:
        return _NOT_RUN if subject.facts is None or subject.facts.not_run else "it did not come to training"
    if subject.card is not None and subject.card.fine_tunable is False:
        return "the card says that the model is not fine-tunable"
    if not subject.facts.training.what and not subject.facts.training.error:
        return "the model itself cannot be called"
    return find(subject.facts.training)


RULES = (
    Rule("W501", "The model was run.", _was_run),
    Rule("E502", "It can be loaded.", functools.partial(_of_facts, _loads)),
    Rule(
        "E503",
        "It does not end the process, and takes no more time and memory than it may.",
        functools.partial(_of_facts, _survives),
    ),
    Rule("E504", "Every trace and signature can be called.", functools.partial(_of_facts, _calls)),
    Rule("E505", "It takes one example, or three, and returns a row for each.", functools.partial(_of_facts, _batches)),
    Rule("W506", "It returns finite numbers.", functools.partial(_of_facts, _finite)),
    Rule("E507", "Every regularization loss is a finite scalar.", functools.partial(_of_facts, _losses)),
    Rule("E508", "One step of training changes its variables.", functools.partial(_of_training, _trains)),
    Rule("W509", "A gradient arrives at every trainable variable.", functools.partial(_of_training, _blocked)),
    Rule("E510", "All gradients are finite.", functools.partial(_of_training, _strange)),
    Rule("W511", "There is something to fine-tune.", functools.partial(_of_training, _trainable)),
)

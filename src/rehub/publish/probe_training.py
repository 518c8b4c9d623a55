"""One step of training: whether gradients arrive at the variables of a model, and change them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from rehub.conversion.samples import fill
from rehub.publish.probe_facts import Training, told
from rehub.publish.probe_ways import Way, is_finite
from rehub.runtime import reusable
from rehub.runtime.tf_version import import_tensorflow


def train(obj: Any, known: Sequence[Way], texts: Sequence[str]) -> Training:
    """Trains a model on random targets.

    Args:
        obj: The model.
        known: The ways to call it.
        texts: Words that it knows; empty if it has no vocabulary.
    """
    if getattr(obj, "_lifting_error", None) is not None:
        return Training("", 0, error=told(obj._lifting_error))
    main = [way for way in known if way.is_main]
    trained = [way for way in main if way.is_training] or main[:1]
    if not trained:
        return Training("", 0, skipped="it cannot be called as it is")
    trainable = reusable.variables_of(obj)[0]
    if not trainable:
        return Training(trained[0].what, 0, skipped="it has no variables to train")
    steps = list[_Step]()
    for way, words, seed in _draws(trained, texts):
        if len({place for step in steps for place in step.changed}) < len(trainable):
            steps.append(_first_step(way, fill(way.specs, seed=seed, texts=words), trainable))
    return _summed(trained[0].what, [variable.name for variable in trainable], steps)


@dataclasses.dataclass(frozen=True)
class _Step:
    """What came of one step: why there was none, or the places of the variables that changed, or cannot."""

    skipped: str = ""
    error: str = ""
    changed: frozenset[int] = frozenset()
    not_finite: frozenset[int] = frozenset()


def _draws(trained: Sequence[Way], texts: Sequence[str]) -> Iterator[tuple[Way, Sequence[str], int]]:
    """Several inputs: one may leave a rectifier without a gradient, or a part of a vocabulary unused."""
    everything = [" ".join([*texts, "and", "another", "text"])] if texts else []
    for seed, words in enumerate((texts, everything, texts[2:])):
        for way in trained:
            yield way, words, seed


def _first_step(way: Way, made: Iterator[Any], trainable: Sequence[Any]) -> _Step:
    """The step with the first inputs that the model takes."""
    error = ""
    for inputs in made:
        try:
            return _step(way, inputs, trainable)
        except Exception as failure:  # noqa: BLE001 - whatever the ops of a model raise
            error = error or told(failure)
    return _Step(error=error or "no inputs can be made for arguments of its kinds")


def _summed(what: str, names: Sequence[str], steps: Sequence[_Step]) -> Training:
    done = [step for step in steps if not step.skipped and not step.error]
    if not done:
        skipped = next((step.skipped for step in steps if step.skipped), "")
        return Training(what, len(names), skipped, "" if skipped else steps[0].error)
    changed, not_finite = (
        frozenset[int]().union(*places) for places in zip(*((s.changed, s.not_finite) for s in done), strict=True)
    )
    lost = [place for place in range(len(names)) if place not in changed | not_finite]
    return Training(
        what,
        len(names),
        without_gradient=tuple(names[place] for place in lost),
        not_finite=tuple(names[place] for place in sorted(not_finite)),
    )


def _step(way: Way, inputs: Any, trainable: Sequence[Any]) -> _Step:
    tf = import_tensorflow()
    with tf.GradientTape() as tape:
        for variable in trainable:
            tape.watch(variable)
        tensors = tf.nest.flatten(way.run(inputs), expand_composites=True)
        numbers = [tensor for tensor in tensors if tensor.dtype.is_floating]
        if not numbers:
            return _Step(skipped="it returns no floating-point numbers")
        # Not the squares of the outputs themselves: those have no gradient where the outputs begin at zero.
        squares = [
            tf.reduce_mean((tensor - tf.random.stateless_normal(tf.shape(tensor), [0, place], dtype=tensor.dtype)) ** 2)
            for place, tensor in enumerate(numbers)
        ]
        loss = tf.add_n([tf.cast(square, tf.float32) for square in squares])
    changed, strange = set[int](), set[int]()
    for place, (variable, gradient) in enumerate(zip(trainable, tape.gradient(loss, trainable), strict=True)):
        if gradient is None:
            continue
        gradient = tf.convert_to_tensor(gradient)
        if not is_finite(gradient):
            strange.add(place)
            continue
        before, largest = variable.read_value(), tf.reduce_max(tf.abs(gradient))
        if largest > 0:
            variable.assign_sub(gradient / largest * 0.1)
            changed |= {place} if bool(tf.reduce_any(variable.read_value() != before)) else set()
    return _Step(changed=frozenset(changed), not_finite=frozenset(strange))

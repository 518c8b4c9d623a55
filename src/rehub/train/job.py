"""A training from its arguments to its result."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rehub.errors import TrainingError, UsageError
from rehub.runtime.tf_version import import_tensorflow
from rehub.train import pictures, trunk
from rehub.train.bar import bar
from rehub.train.examples import Examples, listing
from rehub.train.recipe import Recipe
from rehub.train.result import Result
from rehub.train.trunk import Kind, Trunk
from rehub.train.unfinished import Unfinished, has_something, open_beside
from rehub.words import count

Tell = Callable[[str], object]

_RARE = 10
_UNEVEN = 5.0
_LISTED = 10


@dataclasses.dataclass(frozen=True)
class Job:
    """What is to be trained.

    Attributes:
        kind: What the examples are.
        handle: The published model.
        output: The folder to make.
        recipe: How.
        examples: To train with, and to keep some of for the validation.
        validation: Examples for the validation; None for a share of the others.
        contents: What tells that examples changed: a text for each, of both together.
        broken: Says of examples what is wrong with them; it is told of each that was looked at.
        skip_broken: Whether these are left out.
        tflite: Whether to write a file for LiteRT, too.
        arguments: What else decides about the result, by the names that users know.
    """

    kind: Kind
    handle: str
    output: Path
    recipe: Recipe
    examples: Examples
    validation: Examples | None
    contents: Sequence[str]
    broken: Callable[[Examples, Callable[[int], object]], Mapping[str, str]]
    skip_broken: bool
    tflite: bool
    arguments: Mapping[str, Any]


def check_output(output: Path) -> None:
    """Refuses a path where something is.

    Raises:
        UsageError: If it exists, and is no empty folder.
    """
    try:
        is_taken = has_something(output)
    except OSError as error:
        raise UsageError(f"'{output}' cannot be read: {error.strerror}.", hint="Name another output.") from error
    if is_taken:
        raise UsageError(f"'{output}' exists, and is not an empty folder.", hint="Name another output, or remove it.")


def run(job: Job, tell: Tell) -> Result:
    """Trains a classifier, and writes it with all that belongs to it.

    Args:
        job: What.
        tell: Is told what is done.

    Raises:
        TrainingError: If the examples are such that no classifier can be made of them.
        UsageError: If the output exists, another process makes it, or it was begun with other arguments.
        DependencyError: If TensorFlow or matplotlib is missing.
        SignatureError: If the model does not take such examples, or makes no vectors of them.
        HubError: What `rehub.resolve` raises, if the model cannot be had.
    """
    check_output(job.output)
    pictures.check_dependencies()
    job.examples.check()
    import_tensorflow()
    with open_beside(job.output) as unfinished, _hints(unfinished, tell):
        if unfinished.has_progress():
            tell(f"Going on with the training in '{unfinished.folder}'.")
        unfinished.agree(_arguments(job))
        examples, validation = _divided(job, unfinished, tell)
        loaded = _load(job, tell)
        return _train(job, loaded, examples, validation, unfinished, tell)


@contextmanager
def _hints(unfinished: Unfinished, tell: Tell) -> Iterator[None]:
    """Tells how to go on after an interrupt."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        tell(
            f"Stopped; what is done is kept in '{unfinished.folder}'. The same command goes on from there. To begin "
            "anew, remove that folder first."
            if unfinished.has_progress()
            else "Stopped before anything was trained."
        )
        raise


def _arguments(job: Job) -> dict[str, Any]:
    everything = _joined(job.examples, job.validation)
    choices = dataclasses.asdict(job.recipe)
    return {
        "task": f"{job.kind} classifier",
        "handle": job.handle,
        "model": trunk.fingerprint(job.handle),
        **choices,
        **job.arguments,
        "skip_broken": job.skip_broken,
        "examples": everything.fingerprint(job.contents),
    }


def _joined(examples: Examples, validation: Examples | None) -> Examples:
    """Both in one, for what looks at all of them."""
    if validation is None:
        return examples
    return dataclasses.replace(
        examples,
        inputs=examples.inputs + validation.inputs,
        places=examples.places + validation.places,
        labels=np.concatenate([examples.labels, validation.relabelled(examples.classes).labels]),
    )


def _divided(job: Job, unfinished: Unfinished, tell: Tell) -> tuple[Examples, Examples]:
    """Returns the examples to train with and those for the validation, without broken ones."""
    examples, validation = job.examples, job.validation
    broken = unfinished.note("broken")
    if broken is None:
        total = len(examples) + (len(validation) if validation else 0)
        with bar("Looking at the examples", "example", total) as advance:
            broken = {each.source: dict(job.broken(each, advance)) for each in (examples, validation) if each}
        _check_broken(job, broken, tell)
        unfinished.write_note("broken", broken)
    examples = examples.without(broken[examples.source])
    examples.check()
    if validation is None:
        examples, validation = examples.split(job.recipe.validation, job.recipe.seed)
    else:
        validation = validation.without(broken[validation.source]).relabelled(examples.classes)
    _tell_counts(examples, validation, tell)
    return examples, validation


def _check_broken(job: Job, broken: Mapping[str, Mapping[str, str]], tell: Tell) -> None:
    found = {place: why for each in broken.values() for place, why in each.items()}
    if not found:
        return
    lines = [f"  {place}: {why}" for place, why in list(found.items())[:_LISTED]]
    lines += [f"  and {count(len(found) - _LISTED, 'other')}"] if len(found) > _LISTED else []
    what = "image cannot be read" if job.kind == "image" else "text is empty"
    if len(found) > 1:
        what = "images cannot be read" if job.kind == "image" else "texts are empty"
    message = f"{len(found)} {what}:\n" + "\n".join(lines)
    if not job.skip_broken:
        raise TrainingError(
            message + "\n",
            hint="Mend them or take them away; or leave them out by skip_broken, on the command line --skip-broken.",
            path=job.examples.source,
            broken=tuple(found),
        )
    tell(f"Left out: {message}")


def _tell_counts(examples: Examples, validation: Examples, tell: Tell) -> None:
    classes, counts = examples.classes, examples.counts
    tell(
        f"{count(len(examples), 'example')} to train with and {len(validation):,} for the validation, of "
        f"{len(classes)} classes: "
        + listing(f"{name} ({number:,})" for name, number in zip(classes, counts, strict=True))
    )
    commonest, rarest = int(counts.argmax()), int(counts.argmin())
    if counts[commonest] >= _UNEVEN * counts[rarest]:
        tell(
            f"The classes are uneven: {counts[commonest]:,} of {classes[commonest]!r}, {counts[rarest]:,} of "
            f"{classes[rarest]!r}. Rare ones may be missed: look at their recall, not at the accuracy alone."
        )
    few = [repr(name) for name, number in zip(classes, counts, strict=True) if number < _RARE]
    if few:
        tell(f"Few examples, fewer than {_RARE} to train with, of {listing(few)}: expect little of these classes.")


def _load(job: Job, tell: Tell) -> Trunk:
    tell(f"Loading {job.handle}")
    recipe = job.recipe
    return trunk.load(
        job.handle,
        job.kind,
        trainable=recipe.fine_tune,
        signature=recipe.signature,
        output_key=recipe.output_key,
        image_size=recipe.image_size,
    )


def _train(
    job: Job, loaded: Trunk, examples: Examples, validation: Examples, unfinished: Unfinished, tell: Tell
) -> Result:
    from rehub.train import inputs, outcome
    from rehub.train.training import Training

    recipe = job.recipe
    size = f" of images of {loaded.size[0]} by {loaded.size[1]} pixels" if loaded.kind == "image" else ""
    tell(f"It makes {count(loaded.width, 'number')}{size or ' of a text'}.")
    tunes = recipe.fine_tune and bool(loaded.layer.trainable_variables)
    if recipe.fine_tune and not tunes:
        tell("Its publisher declared nothing of it trainable: only a new last layer is trained.")
    training = Training(loaded, inputs.make(loaded), examples, validation, recipe, unfinished, tell)
    epochs, scores = training.run(tunes=tunes)
    tell(f"Writing {os.fspath(job.output)}")
    return outcome.write(job, loaded, training.head, examples, validation, epochs, scores, tell)

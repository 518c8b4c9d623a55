"""Labelled examples: what there is to train on, of which classes, and which part of it is kept for validation."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from rehub.errors import TrainingError
from rehub.words import count

_FEWEST = 2
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Examples:
    """Inputs with labels, in one order.

    Attributes:
        source: The folder or the file.
        inputs: Names of image files, or texts.
        places: How each is called in messages: the file, or the line of the table.
        labels: int64 ``[n]``, places in `classes`.
        classes: Their names, sorted.
    """

    source: str
    inputs: tuple[str, ...]
    places: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many there are of each class."""
        return np.bincount(self.labels, minlength=len(self.classes))

    def pick(self, chosen: NDArray[np.int64]) -> Examples:
        """Returns some of them, in the order given; the classes stay as they are."""
        return dataclasses.replace(
            self,
            inputs=tuple(self.inputs[place] for place in chosen),
            places=tuple(self.places[place] for place in chosen),
            labels=self.labels[chosen],
        )

    def without(self, places: Collection[str]) -> Examples:
        """Returns those that are not called so, and the classes that are left."""
        dropped = set(places)
        kept = [number for number, place in enumerate(self.places) if place not in dropped]
        return labelled(
            self.source,
            [self.inputs[number] for number in kept],
            [self.places[number] for number in kept],
            [self.classes[self.labels[number]] for number in kept],
        )

    def check(self) -> None:
        """Raises an error where no classifier can be made of them.

        Raises:
            TrainingError: If there is one class only, or fewer than two examples of some class, of which one is needed
                to train with and one for the validation.
        """
        if len(self.classes) < 2:
            raise TrainingError(
                f"All {len(self)} examples in '{self.source}' are of one class, {self.classes[0]!r}."
                if self.classes
                else f"There are no examples in '{self.source}'.",
                hint="A classifier needs two classes or more.",
                path=self.source,
            )
        rare = [f"{self.classes[place]!r} ({self.counts[place]})" for place in np.flatnonzero(self.counts < _FEWEST)]
        if rare:
            raise TrainingError(
                f"Some classes in '{self.source}' have fewer than {_FEWEST} examples: {listing(rare)}.",
                hint="One at least is needed to train with, and one for the validation. Add more, or leave these "
                "classes out.",
                path=self.source,
            )

    def split(self, share: float, seed: int) -> tuple[Examples, Examples]:
        """Divides them into those to train with and those for the validation, with the same share of each class.

        Args:
            share: Of the validation; of each class one example at least, and not all.
            seed: Which ones.
        """
        random = np.random.default_rng(seed)
        is_held_out = np.zeros(len(self), bool)
        for label in range(len(self.classes)):
            members = random.permutation(np.flatnonzero(self.labels == label))
            is_held_out[members[: min(max(round(share * len(members)), 1), len(members) - 1)]] = True
        return self.pick(np.flatnonzero(~is_held_out)), self.pick(np.flatnonzero(is_held_out))

    def relabelled(self, classes: Sequence[str]) -> Examples:
        """Returns the same with the numbers that classes have elsewhere.

        Raises:
            TrainingError: If there is a class that is not among them.
        """
        unknown = sorted(set(self.classes) - set(classes))
        if unknown:
            raise TrainingError(
                f"'{self.source}' has classes that the examples to train with lack: {listing(map(repr, unknown))}.",
                hint="The validation can have these classes only: " + listing(map(repr, classes)) + ".",
                path=self.source,
            )
        if not len(self):
            raise TrainingError(
                f"There are no examples in '{self.source}'.",
                hint="Name others, or a share such as --validation 0.2.",
                path=self.source,
            )
        numbers = np.array([classes.index(name) for name in self.classes], np.int64)
        return dataclasses.replace(self, labels=numbers[self.labels], classes=tuple(classes))

    def fingerprint(self, contents: Iterable[str]) -> str:
        """Returns what changes when the examples do.

        Args:
            contents: What the inputs hold, as far as that is looked at: one text for each.
        """
        digest = hashlib.sha256()
        names = (self.classes[label] for label in self.labels)
        for parts in zip(self.places, names, contents, strict=True):
            digest.update("\x1f".join(parts).encode("utf-8", "surrogateescape") + b"\x1e")
        return digest.hexdigest()


def labelled(source: str, inputs: Sequence[str], places: Sequence[str], labels: Sequence[str]) -> Examples:
    """Makes examples of inputs and the names of their classes.

    Raises:
        TrainingError: If a class has a name of several lines, for which a list of labels has no room.
    """
    bad = next((label for label in labels if len(label.splitlines()) != 1), None)
    if bad is not None:
        place = places[list(labels).index(bad)]
        raise TrainingError(
            f"'{source}', {place}, has the label {bad!r}.", hint="A label is one line of text.", path=source
        )
    classes, numbers = np.unique(np.array(labels, object), return_inverse=True) if labels else ((), np.array([]))
    return Examples(
        source, tuple(inputs), tuple(places), np.asarray(numbers, np.int64).reshape(-1), tuple(map(str, classes))
    )


def listing(names: Iterable[str]) -> str:
    """Returns the first few names, and how many there are besides."""
    every = list(names)
    more = f" and {count(len(every) - _NAMED, 'other')}" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more

"""Which variables of a model a layer trains: all that the model declares trainable, none, or some of them."""

from __future__ import annotations

import dataclasses
import fnmatch
import glob
from collections.abc import Iterable, Sequence
from typing import Any

from rehub.errors import SignatureError

_LISTED = 20


@dataclasses.dataclass(frozen=True)
class Trainability:
    """What a layer trains; a dataclass, so that no Keras wraps or tracks the variables.

    Attributes:
        declared: The variables that the model declares trainable.
        others: Its other variables.
        chosen: Those of ``declared`` that the layer trains while it is trainable.
        is_on: Whether the layer was made trainable.
        patterns: What chose them, in a form that can be saved; None for all.
    """

    declared: tuple[Any, ...]
    others: tuple[Any, ...]
    chosen: tuple[Any, ...]
    is_on: bool
    patterns: tuple[str, ...] | None

    @property
    def variables(self) -> tuple[Any, ...]:
        """All variables, in the model's own order, whatever is chosen."""
        return self.declared + self.others

    @property
    def fixed(self) -> tuple[Any, ...]:
        """Those that the layer never trains."""
        chosen = set(map(id, self.chosen))
        return tuple(variable for variable in self.variables if id(variable) not in chosen)

    def concerns(self, loss_variables: Sequence[Any]) -> bool:
        """Whether training can change a loss of some variables; none stand for unknown ones."""
        chosen = set(map(id, self.chosen))
        return not loss_variables or any(id(variable) in chosen for variable in loss_variables)


def choose(trainable: Any, declared: Iterable[Any], others: Iterable[Any], model: str) -> Trainability:
    """Finds out what a layer trains.

    Args:
        trainable: What the user passed: a bool, one or several patterns, or a function of a variable.
        declared: The variables that the model declares trainable.
        others: Its other variables.
        model: How messages name it.

    Raises:
        SignatureError: If the filter chooses no variable, or one of its patterns matches none.
    """
    declared, others = tuple(declared), tuple(others)
    names = names_of([*declared, *others])
    if isinstance(trainable, str):
        trainable = [trainable]
    if callable(trainable):
        chosen = [bool(trainable(variable)) for variable in declared]
        patterns = tuple(_pattern_of(name) for name, is_chosen in zip(names, chosen, strict=False) if is_chosen)
    elif isinstance(trainable, (list, tuple, set, frozenset)):
        patterns = tuple(sorted(trainable) if isinstance(trainable, (set, frozenset)) else trainable)
        for pattern in patterns:
            _check(pattern, names[: len(declared)], names[len(declared) :], model)
        chosen = [_matches(name, patterns) for name in names[: len(declared)]]
    elif trainable in (True, False, None):
        return Trainability(declared, others, declared, bool(trainable), None)
    else:
        raise SignatureError(
            f"trainable={trainable!r} says nothing about variables.",
            hint="Pass True, False, patterns for the names of variables, or a function of a variable.",
        )
    if not any(chosen):
        raise SignatureError(
            f"The filter trainable={trainable!r} chooses none of the {len(declared)} variables that '{model}' trains.",
            hint=_listing(names[: len(declared)]),
            available=tuple(names[: len(declared)]),
        )
    taken = tuple(variable for variable, is_chosen in zip(declared, chosen, strict=True) if is_chosen)
    return Trainability(declared, others, taken, True, patterns)


def names_of(variables: Iterable[Any]) -> list[str]:
    """The names of variables without ``:0``; a name that comes again gets a number behind it."""
    names: dict[str, None] = {}
    for variable in variables:
        base = name = variable.name.partition(":")[0]
        number = 0
        while name in names:
            number += 1
            name = f"{base}_{number}"
        names[name] = None
    return list(names)


def _pattern_of(name: str) -> str:
    """The pattern that matches this name alone."""
    pattern = glob.escape(name)
    # A class with the mark alone would be a negation; and no name has a colon.
    return f"[:!]{pattern[1:]}" if pattern.startswith("!") else pattern


def _matches(name: str, patterns: Sequence[str]) -> bool:
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")] or ["*" for _ in unwanted]
    return _matches_any(name, wanted) and not _matches_any(name, unwanted)


def _matches_any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _check(pattern: Any, trained: Sequence[str], fixed: Sequence[str], model: str) -> None:
    if not isinstance(pattern, str):
        raise SignatureError(
            f"trainable= holds {pattern!r}, which is no pattern.",
            hint="Pass True, False, a pattern such as 'block5/*', a list of patterns, or a function of a variable.",
        )
    one = [pattern.removeprefix("!")]
    if any(_matches_any(name, one) for name in trained):
        return
    frozen = [name for name in fixed if _matches_any(name, one)]
    raise SignatureError(
        f"The pattern {pattern!r} of trainable= matches none of the variables that '{model}' trains"
        + (f", only {', '.join(frozen[:_LISTED])}, which its publisher froze." if frozen else "."),
        hint=_listing(trained),
        available=tuple(trained),
    )


def _listing(names: Sequence[str]) -> str:
    if not names:
        return "The model trains no variables; use trainable=False."
    more = f" and {len(names) - _LISTED} more; 'rehub inspect --all' lists them" if len(names) > _LISTED else ""
    return f"Patterns are like those of file names ('*' is any text); the names are {', '.join(names[:_LISTED])}{more}."

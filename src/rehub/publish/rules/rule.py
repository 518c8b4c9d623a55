"""One rule of a check."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rehub.model.model_info import Format
from rehub.publish.rules.subject import Subject

EVERY: tuple[Format, ...] = ("tf1_hub", "saved_model_1", "saved_model_2")
GRAPHS: tuple[Format, ...] = ("tf1_hub", "saved_model_1")
OBJECTS: tuple[Format, ...] = ("saved_model_2",)

NAMES: dict[Format, str] = {
    "tf1_hub": "a module in the TF1 Hub format",
    "saved_model_1": "a SavedModel of TensorFlow 1",
    "saved_model_2": "a SavedModel of TensorFlow 2",
}


class Found(NamedTuple):
    """What a rule found; the fields are those of `Finding`."""

    where: str
    what: str
    fix: str


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        code: ``E`` for errors, ``W`` for warnings, and three digits, of which the first is that of its area.
        title: What has to hold; a line of ``docs/publishing.md``.
        find: Returns what is wrong; or a text, why the rule does not apply to this model.
        formats: Those that it applies to.
    """

    code: str
    title: str
    find: Callable[[Subject], Iterable[Found] | str]
    formats: tuple[Format, ...] = EVERY

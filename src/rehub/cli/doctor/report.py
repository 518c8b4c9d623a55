"""What an examination finds: facts, and problems with what to do about them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that is not as it should be.

    Attributes:
        severity: An ``error`` keeps something from working; a ``warning`` may surprise.
        what: What was found, with values.
        fix: What to do.
    """

    severity: Literal["error", "warning"]
    what: str
    fix: str


@dataclasses.dataclass(frozen=True)
class Section:
    """One part of an examination.

    Attributes:
        title: Its name.
        facts: Name to value, for people and programs alike.
        problems: What is wrong.
    """

    title: str
    facts: Mapping[str, str | int | bool | None]
    problems: tuple[Problem, ...] = ()

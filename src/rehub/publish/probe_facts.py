"""What comes of running a model: written by the process that runs it, line by line, and read by the one that checks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

_SHOWN = 300
_PREAMBLES = ("Graph execution error", "Detected at node", "<stack traces", "Exception encountered when calling")


@dataclasses.dataclass(frozen=True)
class Call:
    """A call of a model on inputs that were made for it.

    Attributes:
        what: The function and its arguments.
        error: Why it failed; empty if it ran.
        is_finite: Whether all numbers that it returned are.
        batch: The number of examples, where it is about this number.
    """

    what: str
    error: str = ""
    is_finite: bool = True
    batch: int | None = None


@dataclasses.dataclass(frozen=True)
class Loss:
    """A call of a regularization loss.

    Attributes:
        place: In the list.
        error: What is wrong with it; empty for a finite scalar.
    """

    place: int
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Training:
    """One step of gradient descent.

    Attributes:
        what: The function that was trained, and its arguments.
        trainable: How many variables there are to train.
        skipped: Why there was no step; empty if there was.
        error: Why the step failed; empty if it did not.
        without_gradient: Names of the variables that no gradient arrived at, or that did not change.
        not_finite: Names of those whose gradient is not finite.
    """

    what: str
    trainable: int
    skipped: str = ""
    error: str = ""
    without_gradient: tuple[str, ...] = ()
    not_finite: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Facts:
    """All that came of running a model.

    Attributes:
        not_run: Why it was not run; empty if it was.
        crash: How the process ended that ran it, if it did so before it was done.
        load_error: Why it could not be loaded.
        calls: Of each trace and signature.
        batches: Of several numbers of examples.
        losses: The regularization losses.
        training: None if it did not come that far.
    """

    not_run: str = ""
    crash: str = ""
    load_error: str = ""
    calls: tuple[Call, ...] = ()
    batches: tuple[Call, ...] = ()
    losses: tuple[Loss, ...] = ()
    training: Training | None = None


@dataclasses.dataclass(frozen=True)
class Stage:
    """What is about to be done, for those who find that the process ended there."""

    what: str


@dataclasses.dataclass(frozen=True)
class Problem:
    """Why nothing more can be done: there is no TensorFlow, or the model cannot be loaded."""

    text: str
    is_missing_tensorflow: bool = False


Event = Stage | Problem | Call | Loss | Training
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (Stage, Problem, Call, Loss, Training)}


def write_event(event: Event) -> str:
    """Returns an event as one line."""
    return json.dumps([type(event).__name__, dataclasses.asdict(event)]) + "\n"


def read_events(text: str) -> list[Event]:
    """Reads what `write_event` wrote; a last line that was cut off is left out."""
    found = list[Event]()
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            kind, values = json.loads(line)
            values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
            found.append(_KINDS[kind](**values))
    return found


def collect(events: Iterable[Event], crash: str = "") -> Facts:
    """Returns what some events say together."""
    events = list(events)
    problem = next((event for event in events if isinstance(event, Problem)), Problem(""))
    calls = [event for event in events if isinstance(event, Call)]
    return Facts(
        not_run=problem.text if problem.is_missing_tensorflow else "",
        load_error="" if problem.is_missing_tensorflow else problem.text,
        crash=crash,
        calls=tuple(call for call in calls if call.batch is None),
        batches=tuple(call for call in calls if call.batch is not None),
        losses=tuple(event for event in events if isinstance(event, Loss)),
        training=next((event for event in events if isinstance(event, Training)), None),
    )


def told(error: Exception) -> str:
    """Returns the first line of an error that says something: TensorFlow begins with where in a graph it happened."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = next((line for line in lines if line and not line.startswith(_PREAMBLES)), type(error).__name__)
    return told[:_SHOWN].rstrip(".")

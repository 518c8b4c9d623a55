"""What a model may do when it runs: a SavedModel is a program."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable

from rehub import configuration
from rehub.errors import PolicyError
from rehub.formats.saved_model import MetaGraph
from rehub.model.op_policy import Finding, findings
from rehub.model.program import Program

_SHOWN = 5


class PolicyWarning(UserWarning):
    """A model holds ops that touch files, the network, processes or Python."""


def enforce(handle: str, graphs: Iterable[MetaGraph]) -> None:
    """Applies the setting ``op_policy`` to graphs before they are loaded.

    Args:
        handle: The model's name for the reader.
        graphs: Those that are to be loaded.

    Raises:
        PolicyError: If it holds such ops, and the setting is ``refuse``.
    """
    policy = configuration.current().op_policy
    if policy == "allow":
        return
    found = [finding for graph in graphs for finding in findings(Program(graph.message))]
    if not found:
        return
    message = f"The model '{handle}' reaches out of itself when it runs: {_listed(found)}."
    if policy == "refuse":
        raise PolicyError(message, hint="If you trust its source, load it with the setting op_policy='warn'.")
    warnings.warn(
        f"{message} Run it only if you trust its source; REHUB_OP_POLICY=allow silences this, refuse forbids it.",
        PolicyWarning,
        stacklevel=_level_of_caller(),
    )


def _level_of_caller() -> int:
    """The ``stacklevel``, for the caller of this function, of the line of the program that loads a model."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("rehub", "keras", "tf_keras"):
        frame, level = frame.f_back, level + 1
    return level


def _listed(found: Iterable[Finding]) -> str:
    each = [f"{f.op} ({f.reach}) in {f.function or 'its graph'}" for f in found]
    more = f" and {len(each) - _SHOWN} more" if len(each) > _SHOWN else ""
    return ", ".join(each[:_SHOWN]) + more

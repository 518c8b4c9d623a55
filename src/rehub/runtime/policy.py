"""What a model may do when it runs: a SavedModel is a program."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from rehub import configuration
from rehub.errors import PolicyError
from rehub.formats.saved_model import MetaGraph
from rehub.handle import Kind, parse
from rehub.model.op_policy import Finding, findings
from rehub.model.program import Program

_SHOWN = 5
_SEPARATOR = re.compile(r"[/\\]")
_DOTS = re.compile(r"[/\\]\.\.?([/\\?]|$)")  # with which a URL leads elsewhere than it begins


class PolicyWarning(UserWarning):
    """A model holds ops that touch files, the network, processes or Python."""


def enforce(handle: str, graphs: Iterable[MetaGraph]) -> None:
    """Applies the settings ``op_policy`` and ``op_policy_allow`` to graphs before they are loaded.

    Args:
        handle: The model's, or its folder.
        graphs: Those that are to be loaded.

    Raises:
        PolicyError: If it holds such ops, and the setting is ``refuse``.
    """
    settings = configuration.current()
    policy, allowed = settings.op_policy, settings.op_policy_allow
    if policy == "allow" or any(_covers(each, handle) for each in allowed):
        return
    found = [finding for graph in graphs for finding in findings(Program(graph.message)) if finding.op not in allowed]
    if not found:
        return
    message = f"The model '{handle}' reaches out of itself when it runs: {_listed(found)}."
    if policy == "refuse":
        raise PolicyError(
            message,
            hint="If you trust its source, name that, or the ops, in REHUB_OP_POLICY_ALLOW; or load it with the "
            "setting op_policy='warn'.",
        )
    warnings.warn(
        f"{message} Run it only if you trust its source: then name that, or the ops, in REHUB_OP_POLICY_ALLOW. "
        "REHUB_OP_POLICY=refuse forbids such models.",
        PolicyWarning,
        stacklevel=_level_of_caller(),
    )


def _covers(allowed: str, text: str) -> bool:
    """Whether a model is below a URL or folder that may hold such models."""
    handle = parse(text)
    if "://" in allowed:
        # The name of an owner alone is no handle.
        is_repository = allowed.startswith("hf://")
        start = (allowed if is_repository else parse(allowed).location).rstrip("/")
        location = handle.location
        ends = ("", "/", "@") if is_repository else ("", "/", "?")
        is_below = location.startswith(start) and location[len(start) :][:1] in ends
        return is_below and not _DOTS.search(unquote(location))
    if handle.kind is not Kind.PATH or not _SEPARATOR.search(allowed):
        return False
    return Path(handle.location).resolve().is_relative_to(Path(allowed).expanduser().resolve())


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

"""Which variables set something, and which were meant to."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator

from rehub import configuration
from rehub.cli.doctor.report import Problem, Section
from rehub.errors import HubError


def examine() -> Section:
    """Tells the variables that rehub reads, the ones it cannot read, and those that look misspelled."""
    known = configuration.variables()
    facts = {name: _shown(name, os.environ[name]) for name in known if os.environ.get(name)}
    return Section("settings", facts or {"variables": "none set"}, tuple(_problems(list(known))))


def _shown(name: str, value: str) -> str:
    return "set, not shown" if name.endswith("_TOKEN") else configuration.without_login(value)


def _problems(known: list[str]) -> Iterator[Problem]:
    try:
        configuration.current()
    except HubError as error:
        yield Problem("error", error.message, error.hint)
    for name in sorted(os.environ.keys() - set(known)):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if close and name.startswith(("REHUB_", "TFHUB_")):
            yield Problem("warning", f"{name} is set, and rehub does not read it.", f"Set {close[0]} if that is meant.")

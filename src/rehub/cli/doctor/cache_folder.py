"""Where the cache is and why, whether it can be used, and what is in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rehub import configuration
from rehub.cache.inventory import take
from rehub.cache.lock import hold
from rehub.cli import output
from rehub.cli.doctor.report import Problem, Section
from rehub.configuration import Settings
from rehub.errors import CacheError

_LITTLE_BYTES = 1_000_000_000
_ELSEWHERE = "Set TFHUB_CACHE_DIR to a folder that you may write."


def examine(settings: Settings) -> Section:
    """Looks at the cache folder; nothing stays of what is tried there."""
    root = settings.cache_root
    if settings.cache_dir and "://" in settings.cache_dir:
        problem = Problem("error", f"the cache folder {settings.cache_dir} is not on this machine.", _ELSEWHERE)
        return Section("cache", {"folder": settings.cache_dir}, (problem,))
    facts: dict[str, str | int | bool | None] = {"folder": str(root), "chosen by": _origin("cache_dir")}
    problems = [*_tried(root, facts), *_contents(settings, facts)]
    temporary = Path(tempfile.gettempdir()).resolve()
    if root.resolve().is_relative_to(temporary):
        problems.append(
            Problem(
                "warning",
                f"the cache is in {temporary}, where models get lost when the machine is cleaned or started again.",
                "Set TFHUB_CACHE_DIR to another folder, or unset it.",
            )
        )
    return Section("cache", facts, tuple(problems))


def _origin(field: str) -> str:
    """Returns which variable gives a setting its value; where several do, the last one counts."""
    names = [name for name, set_ in configuration.variables().items() if set_ == field and os.environ.get(name)]
    return names[-1] if names else "default of this system"


def _tried(root: Path, facts: dict[str, str | int | bool | None]) -> Iterator[Problem]:
    place = next((folder for folder in (root, *root.parents) if folder.exists()), root)
    facts["exists"] = root.is_dir()
    facts["writable"] = os.access(place, os.W_OK | os.X_OK) and place.is_dir()
    if facts["writable"] and root.is_dir():
        try:
            facts["renames and locks"] = _try_out(root)
        except OSError as error:
            facts["writable"] = False
            yield Problem("error", f"the cache folder {root} cannot be used: {error.strerror or error}.", _ELSEWHERE)
            return
        if facts["renames and locks"] != "yes":
            yield Problem(
                "warning",
                f"the filesystem of {root} has no locks, so that processes may download the same model twice.",
                "Set TFHUB_CACHE_DIR to a local disk if that matters.",
            )
    if not facts["writable"]:
        what = "models that are in it can be used, others not be downloaded" if root.is_dir() else "it cannot be made"
        yield Problem("error", f"the cache folder {root} is not writable ({place}): {what}.", _ELSEWHERE)
        return
    free_bytes = shutil.disk_usage(place).free
    facts["free space"] = output.size(free_bytes)
    if free_bytes < _LITTLE_BYTES:
        yield Problem(
            "warning",
            f"only {output.size(free_bytes)} are free on the disk of the cache.",
            "Run 'rehub cache prune', or set TFHUB_CACHE_DIR to a folder on another disk.",
        )


def _try_out(root: Path) -> str:
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=root) as name:
        folder = Path(name)
        (folder / "a").mkdir()
        (folder / "a").rename(folder / "b")
        with hold(folder / "lock", 0) as locked:
            return "yes" if locked else "renames only"


def _contents(settings: Settings, facts: dict[str, str | int | bool | None]) -> Iterator[Problem]:
    try:
        found = take(settings.cache_root, settings.legacy_cache_roots)
    except CacheError as error:
        yield Problem("error", error.message, error.hint)
        return
    ours = [entry for entry in found.entries if entry.origin == "rehub"]
    old = [entry for entry in found.entries if entry.origin == "tensorflow_hub"]
    damaged = [entry for entry in ours if entry.damages]
    facts["models"] = f"{len(ours):,} ({output.size(sum(entry.size_bytes for entry in ours))})"
    facts["damaged models"] = len(damaged)
    facts["unfinished downloads"] = len(found.leftovers)
    facts["models of tensorflow_hub"] = f"{len(old):,} in {' and '.join(map(str, settings.legacy_cache_roots))}"
    if damaged:
        handles = ", ".join(entry.handle for entry in damaged)
        verb = "is" if len(damaged) == 1 else "are"
        yield Problem(
            "warning",
            f"{output.count(len(damaged), 'model')} of the cache {verb} not whole: {handles}.",
            "They are repaired when they are used the next time, or now by: rehub cache verify --repair",
        )
    if found.leftovers:
        size = output.size(sum(left.size_bytes for left in found.leftovers))
        yield Problem(
            "warning",
            f"{output.count(len(found.leftovers), 'unfinished download')} ({size}) in the cache: running, or killed.",
            "Remove what was killed with: rehub cache prune",
        )

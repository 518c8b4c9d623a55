"""Pruning: which cached models a rule gives up. Pure: nothing is removed here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from rehub.cache.inventory import Entry
from rehub.handle import parse


@dataclasses.dataclass(frozen=True)
class Rule:
    """What is given up besides damaged models.

    Attributes:
        older_than_s: Models fetched more than so many seconds ago.
        max_bytes: The ones fetched longest ago, until no more than this is left.
        keep_latest: All versions of a model but the highest.
    """

    older_than_s: float | None = None
    max_bytes: int | None = None
    keep_latest: bool = False


def select(entries: Iterable[Entry], rule: Rule, now_s: float) -> list[tuple[Entry, str]]:
    """Returns the models that a rule gives up, each with the reason.

    Only what rehub fetched is counted and given up.
    """
    ours = [entry for entry in entries if entry.origin == "rehub"]
    chosen = [(entry, "damaged") for entry in ours if entry.damages]
    kept = sorted((entry for entry in ours if not entry.damages), key=_time_s)
    if rule.older_than_s is not None:
        for entry in kept:
            age_s = now_s - _time_s(entry)
            if age_s > rule.older_than_s:
                chosen.append((entry, f"fetched {age_s / 86_400:.0f} days ago"))
        kept = [entry for entry in kept if now_s - _time_s(entry) <= rule.older_than_s]
    if rule.keep_latest:
        superseded = _superseded(kept)
        chosen += superseded
        kept = [entry for entry in kept if all(entry is not old for old, _ in superseded)]
    if rule.max_bytes is not None:
        size_bytes = sum(entry.size_bytes for entry in kept)
        while size_bytes > rule.max_bytes:
            oldest = kept.pop(0)
            chosen.append((oldest, "fetched longest ago"))
            size_bytes -= oldest.size_bytes
    return chosen


def _superseded(entries: Iterable[Entry]) -> list[tuple[Entry, str]]:
    versions: dict[str, list[tuple[int, float, Entry]]] = {}
    for entry in entries:
        handle = parse(entry.handle)
        version = -1 if handle.version is None else handle.version
        versions.setdefault(handle.unversioned, []).append((version, _time_s(entry), entry))
    found = []
    for group in versions.values():
        *older, newest = sorted(group, key=lambda item: item[:2])
        name = f"version {newest[0]}" if newest[0] >= 0 else "one fetched later"
        found += [(entry, f"superseded by {name}") for _, _, entry in older]
    return found


def _time_s(entry: Entry) -> float:
    assert entry.record is not None, "a model without its record is damaged"
    return entry.record.time_s

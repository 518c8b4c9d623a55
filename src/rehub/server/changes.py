"""What changed from one version of a model to the next."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence

from rehub.server.description import Description
from rehub.server.views_interface import Interface
from rehub.words import size

_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Change:
    """One kind of change: ``what`` is its subject, ``texts`` say what became of it."""

    what: str
    texts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Changes:
    """All changes since another version.

    Attributes:
        since: That version.
        entries: What differs; empty when nothing does.
    """

    since: int
    entries: tuple[Change, ...]


def changes(old: Description, new: Description) -> Changes:
    """Compares two versions of one model."""
    found = [*_files(old, new)]
    if old.interface is not None and new.interface is not None:
        before, after = old.interface, new.interface
        found = [*_format(before, after), *_signatures(before, after), *_variables(before, after), *found]
    if old.card != new.card:
        found.append(Change("Card", ("another text" if old.card.body != new.card.body else "other metadata",)))
    return Changes(old.number, tuple(found))


def _format(old: Interface, new: Interface) -> list[Change]:
    return [Change("Format", (f"{old.format_name} became {new.format_name}",))] if old.format != new.format else []


def _signatures(old: Interface, new: Interface) -> list[Change]:
    named = [
        {" ".join(filter(None, [each.name, each.note])): (each.inputs, each.outputs) for each in side.signatures}
        for side in (old, new)
    ]
    found = _differences(*named, changed="with other inputs or outputs")
    calls = [side.call.traces if side.call else None for side in (old, new)]
    if calls[0] != calls[1]:
        words = {(True, False): "added", (False, True): "removed"}
        found.append(words.get((calls[0] is None, calls[1] is None), "other arguments or results") + ": __call__")
    return [Change("Signatures", tuple(found))] if found else []


def _variables(old: Interface, new: Interface) -> list[Change]:
    types = [{variable.name: (variable.type,) for variable in side.variables} for side in (old, new)]
    found = _differences(*types, changed="resized")
    trained = [{v.name for v in side.variables if v.is_trainable} for side in (old, new)]
    common = types[0].keys() & types[1].keys()
    found += _named("now trainable", sorted((trained[1] - trained[0]) & common))
    found += _named("no longer trainable", sorted((trained[0] - trained[1]) & common))
    return [Change("Variables", tuple(found))] if found else []


def _files(old: Description, new: Description) -> list[Change]:
    facts = [{file.name: (file.size_bytes, file.sha256) for file in side.files} for side in (old, new)]
    found = _differences(*facts, changed="changed")
    entries = [Change("Files", tuple(found))] if found else []
    share = _equal_blocks(old, new)
    if found and share:
        entries.append(Change("Blocks", (share,)))
    if old.size_bytes != new.size_bytes:
        sides = f"{size(old.size_bytes)} became {size(new.size_bytes)}"
        difference = size(abs(new.size_bytes - old.size_bytes))
        word = "more" if new.size_bytes > old.size_bytes else "less"
        entries.append(Change("Size", (f"{sides}, {difference} {word}",)))
    return entries


def _equal_blocks(old: Description, new: Description) -> str:
    """How much of the new version a client that has the old one need not fetch; empty where nobody knows."""
    known = collections.Counter(block for file in old.files for block in file.blocks)
    blocks = [block for file in new.files for block in file.blocks]
    if not known or not blocks:
        return ""
    equal = sum(block in known for block in blocks)
    return f"{equal:,} of {len(blocks):,} blocks are equal, {100 * equal / len(blocks):.0f} % of the new version"


def _differences(
    old: Mapping[str, Sequence[object]], new: Mapping[str, Sequence[object]], *, changed: str
) -> list[str]:
    return [
        *_named("added", sorted(new.keys() - old.keys())),
        *_named("removed", sorted(old.keys() - new.keys())),
        *_named(changed, sorted(name for name in old.keys() & new.keys() if old[name] != new[name])),
    ]


def _named(what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return [f"{what}: {', '.join(names[:_NAMED])}{more}"]

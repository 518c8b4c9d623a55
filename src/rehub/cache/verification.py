"""Verifying: every file of a cached model against the sha256 that was noted when it was fetched."""

from __future__ import annotations

from rehub.archive.fingerprint import sha256_of
from rehub.cache.inventory import Damage, Entry


def verify(entry: Entry) -> tuple[Damage, ...]:
    """Reads every file of a model and returns what is wrong; nothing when it is what was fetched.

    Nothing noted the contents of models that tensorflow_hub left: of those it says what is missing or cut short.
    """
    if entry.record is None:
        return entry.damages
    known = {damage.file for damage in entry.damages}
    found = list(entry.damages)
    for name, (_, sha256) in entry.record.files.items():
        if name in known:
            continue
        try:
            if sha256_of(entry.folder / name) != sha256:
                found.append(Damage(name, "its content is not what was fetched"))
        except OSError as error:
            found.append(Damage(name, f"cannot be read ({error.strerror})"))
    return tuple(found)

"""Removing a version: what is left says that it was there, and why it is not."""

from __future__ import annotations

import datetime

from rehub.errors import NotFoundError, PublishError
from rehub.server import names
from rehub.server.library import Library, Removed, write_removed

_REASON_LIMIT = 2000


def remove(library: Library, name: str, version: int, reason: str, *, now: datetime.datetime | None = None) -> Removed:
    """Removes a version of a model for good; its number is never used again.

    Nobody gets it from the moment in which its tombstone is written. When the process ends before all files are
    deleted, the same call or `rehub.server.gc.collect` deletes the rest.

    Args:
        library: The hub's.
        name: The model.
        version: The version, published or plain.
        reason: For the people who look for it.
        now: The time, in UTC; None for what the clock says.

    Returns:
        What is left; of the first time, if it was removed before.

    Raises:
        NotFoundError: If it never was.
        PublishError: If the reason is too long.
        FormatError: If its record is damaged.
        StoreError: If the store fails.
    """
    if len(reason) > _REASON_LIMIT:
        raise PublishError(
            f"a reason of {len(reason)} characters is too long.", hint=f"Use {_REASON_LIMIT} characters at most."
        )
    library.forget(name, version)
    found = library.version(name, version)
    if found is None:
        raise NotFoundError(f"there is no version {version} of {name[:100]}.", hint="Look at the model's page.")
    if not isinstance(found, Removed):
        when = (now or datetime.datetime.now(datetime.timezone.utc)).replace(microsecond=0)
        found = Removed(name, version, reason, when)
        library.store.put(names.tombstone_key(name, version), write_removed(found))
        library.forget(name, version)
    # The record stays, so that nobody who is about to publish this version can make it.
    kept = (names.record_key(name, version), names.tombstone_key(name, version))
    for info in list(library.store.list(f"{name}/{version}/")):
        if info.key not in kept:
            library.store.delete(info.key)
    return found

"""Repairing cached models: the damaged files are fetched again, and only these very contents are taken."""

from __future__ import annotations

from collections.abc import Iterable

from rehub import configuration
from rehub.archive.fingerprint import fingerprint
from rehub.cache.inventory import Damage, Entry
from rehub.errors import CacheError
from rehub.resolvers.chain import resolve


def repair(entry: Entry, damages: Iterable[Damage]) -> None:
    """Makes a model whole again.

    Args:
        entry: The model, in the cache of the current settings.
        damages: What `rehub.cache.verification.verify` found.

    Raises:
        CacheError: If nothing tells what the model was, or the cache folder cannot be written.
        ResolveError: If the server has it no more.
        TransferError: If the download fails.
        ChecksumError: If the server has other contents by that URL now.
    """
    if entry.record is None:
        raise CacheError(
            f"{entry.handle} cannot be repaired: nothing tells what its files were.",
            hint="Remove it with 'rehub cache remove'; it is downloaded when it is used the next time.",
            path=str(entry.folder),
        )
    for damage in damages:
        # A file of the right size and wrong content would pass for a good one.
        (entry.folder / damage.file).unlink(missing_ok=True)
    with configuration.settings(lockfile=None):  # it becomes what it was, wanted or not
        resolve(f"{entry.record.location}#sha256={fingerprint(entry.record.files)}")

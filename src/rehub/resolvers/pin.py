"""Pins: the digest of a model's files that a handle or a lock file may name."""

from __future__ import annotations

from collections.abc import Mapping

from rehub.archive.fingerprint import fingerprint
from rehub.errors import ChecksumError
from rehub.handle import Handle


def fits_pin(handle: Handle, files: Mapping[str, tuple[int, str]]) -> bool:
    """Whether files are those of the pin of a handle, if it has one."""
    return handle.pin is None or fingerprint(files) == handle.pin


def check_pin(handle: Handle, files: Mapping[str, tuple[int, str]]) -> None:
    """Compares files with the pin of a handle, if it has one.

    Raises:
        ChecksumError: If they are not those.
    """
    if not fits_pin(handle, files):
        actual = fingerprint(files)
        raise ChecksumError(
            f"the files of {handle.location} have sha256 {actual}, pinned is {handle.pin}.",
            hint="The publisher replaced the model, or someone on the way did: do not use it before you know.",
            url=handle.location,
            expected=handle.pin or "",
            actual=actual,
        )

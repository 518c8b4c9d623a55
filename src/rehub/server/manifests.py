"""Manifests of plain versions: by what clients fetch them block by block."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

from rehub.formats.manifest import ManifestFile, write_manifest
from rehub.publish.pack_manifest import folder_manifest
from rehub.server.fingerprints import Fingerprint, check_unchanged


@dataclasses.dataclass(frozen=True)
class Published:
    """A finished manifest.

    Attributes:
        data: Its bytes.
        sha256: Hex digest of them.
        files: What it says, by the name of each file.
    """

    data: bytes
    sha256: str
    files: Mapping[str, ManifestFile]


def compute_manifest(folder: Path, before: Fingerprint) -> Published:
    """Reads all files of a folder.

    Args:
        folder: The folder.
        before: What `rehub.server.fingerprints.fingerprint_of` has just returned for it.

    Raises:
        UsageError: If files change while they are read: the version is still being written.
        FormatError: If the folder holds links or devices, or names that clients refuse.
    """
    manifest = folder_manifest(folder)
    check_unchanged(folder, before)
    data = write_manifest(manifest)
    return Published(data, hashlib.sha256(data).hexdigest(), {file.name: file for file in manifest.files})

"""From what an operator writes to the store that is meant."""

from __future__ import annotations

import re
from pathlib import Path

from rehub.errors import StoreError
from rehub.storage.bucket import SCHEMES, BucketStore
from rehub.storage.folder import FolderStore
from rehub.storage.interface import ObjectStore

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://.*")


def open_store(text: str) -> ObjectStore:
    """Opens a store.

    Args:
        text: The path of an existing folder, or a URL: ``s3://``, ``gs://`` or ``az://`` with a bucket and perhaps a
            prefix in it.

    Raises:
        NotFoundError: If it is a path, and no folder.
        StoreError: If it is another URL, or one that says too little.
        DependencyError: If it is a bucket, and obstore is not installed.
    """
    url = _URL.fullmatch(text)
    if url is None:
        return FolderStore(Path(text))
    if url["scheme"].lower() not in SCHEMES:
        raise StoreError(
            f"a hub cannot be kept in {url['scheme']}://.",
            hint="Name a folder, or a bucket as s3://BUCKET, gs://BUCKET or az://CONTAINER.",
            store=text,
        )
    return BucketStore(text)

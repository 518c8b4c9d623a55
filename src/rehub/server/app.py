"""The hub as an ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette

from rehub.server.archives import ArchiveStore
from rehub.server.catalogue import Catalogue
from rehub.server.manifests import ManifestStore
from rehub.server.routes import Routes


def build_app(folder: Path, *, uncompressed_base: str | None = None, spool: Path | None = None) -> Starlette:
    """Builds the application that serves a folder of models.

    Args:
        folder: Holds ``PUBLISHER/MODEL/VERSION/`` folders.
        uncompressed_base: Where clients find the same tree unpacked, such as ``gs://BUCKET/PREFIX``; None when there
            is no such place.
        spool: An existing folder for the archives; None for the system's folder of temporary files.

    Raises:
        NotFoundError: If ``folder`` is not a folder.
    """
    catalogue = Catalogue(folder)
    routes = Routes(catalogue, uncompressed_base)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, ArchiveStore | ManifestStore]]:
        archives = ArchiveStore(spool)
        try:
            yield {"archives": archives, "manifests": ManifestStore()}
        finally:
            archives.close()

    return Starlette(routes=routes.table(), lifespan=lifespan)

"""A model as Kaggle and Hugging Face serve it, in a process of its own: ``other_hubs.py MODEL ARCHIVE``.

It writes the archive first. Its answer is no measurement, but its port.

The files go out as from our hub: whole, by the same server, which needs no Python for that. The answers are the
shortest that kagglehub and huggingface_hub take: no redirects to a storage, no MD5 to check, no xet.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from benchmarks.contenders.answering import answer
from rehub.archive.fingerprint import measure
from rehub.archive.writing import pack
from rehub.server import EmbeddedHub, embedded

_KAGGLE = "/api/v1/models.ModelApiService"
_COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Services:
    """What both answer about one model, whatever the name that it is asked for by."""

    def __init__(self, folder: Path, archive: Path) -> None:
        self._folder = folder
        self._archive = archive
        self._files = measure(folder)

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/healthz", self.health),
            Route(f"{_KAGGLE}/ListModelInstanceVersionFiles", self.kaggle_files, methods=["POST"]),
            Route(f"{_KAGGLE}/DownloadModelInstanceVersion", self.kaggle_download, methods=["POST"]),
            Route("/api/models/{repository:path}/revision/{revision}", self.huggingface_commit),
            Route("/api/models/{repository:path}/tree/{revision}", self.huggingface_files),
            Route("/{repository:path}/resolve/{revision}/{file:path}", self.huggingface_download),
        ]

    async def health(self, _: Request) -> Response:
        return PlainTextResponse("ok")

    async def kaggle_files(self, request: Request) -> Response:
        # If the files fill more than a page, kagglehub takes the archive, else each file.
        is_long = (await request.json())["instanceSlug"] == "archive"
        files = [{"name": name, "size": size_bytes} for name, (size_bytes, _) in self._files.items()]
        return JSONResponse({"files": files, "nextPageToken": "2" if is_long else ""})

    async def kaggle_download(self, request: Request) -> Response:
        file = (await request.json()).get("path")
        return FileResponse(self._folder / file if file else self._archive, media_type="application/octet-stream")

    async def huggingface_commit(self, request: Request) -> Response:
        return JSONResponse({"id": request.path_params["repository"], "sha": _COMMIT})

    async def huggingface_files(self, _: Request) -> Response:
        return JSONResponse(
            [
                {"type": "file", "path": name, "size": size_bytes, "oid": sha256}
                for name, (size_bytes, sha256) in self._files.items()
            ]
        )

    async def huggingface_download(self, request: Request) -> Response:
        file = request.path_params["file"]
        headers = {"ETag": f'"{self._files[file][1]}"', "X-Repo-Commit": _COMMIT}
        return FileResponse(self._folder / file, headers=headers, media_type="application/octet-stream")


folder, archive = map(Path, sys.argv[1:])
with archive.open("wb") as out:
    pack(folder, out)
app = Starlette(routes=_Services(folder, archive).routes())
embedded.build_app = lambda *_, **__: app

with EmbeddedHub(folder) as hub:

    def _port() -> Mapping[str, float]:
        return {"port": float(urlsplit(hub.url).port or 0)}

    answer(_port)

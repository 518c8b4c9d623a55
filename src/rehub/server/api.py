"""The API: publishing, and looking for models. ``openapi.py`` describes it to programs."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rehub.formats.card import SIZE_LIMIT_BYTES as CARD_LIMIT_BYTES
from rehub.formats.manifest import BLOCK_BYTES
from rehub.formats.manifest import SIZE_LIMIT_BYTES as MANIFEST_LIMIT_BYTES
from rehub.server import names
from rehub.server.bodies import BodyError, read_body
from rehub.server.catalogue import parse_address
from rehub.server.commit import commit
from rehub.server.library import Library, PlainVersion, PublishedVersion, Removed
from rehub.server.metrics import Metrics
from rehub.server.openapi import description
from rehub.server.problems import problem
from rehub.server.running_commits import RunningCommits
from rehub.server.search import Index
from rehub.server.uploads import Uploads
from rehub.server.views import query_of
from rehub.server.visitor import Doorkeeper

PREFIX = "/api/v1/"

_BODIES_AT_A_TIME = 8  # each may have a block, or a manifest
_COMMIT_LIMIT_BYTES = 2 * CARD_LIMIT_BYTES + 1024  # letters of a card may be escaped


class Api:
    """The endpoints below ``/api/v1/``.

    Args:
        library: The hub's.
        uploads: The hub's.
        doorkeeper: Tells who may do what.
        index: Finds models.
        metrics: The hub's.
    """

    def __init__(
        self, library: Library, uploads: Uploads, doorkeeper: Doorkeeper, index: Index, metrics: Metrics
    ) -> None:
        self._library = library
        self._uploads = uploads
        self._doorkeeper = doorkeeper
        self._index = index
        self._metrics = metrics
        self._commits = RunningCommits()
        self._bodies = CapacityLimiter(_BODIES_AT_A_TIME)

    def table(self) -> list[BaseRoute]:
        """Returns the routes for Starlette."""
        upload = f"{PREFIX}models/{{name:path}}/uploads"
        return [
            Route(f"{PREFIX}openapi.json", self._as_api(self.describe), methods=["GET"]),
            Route(f"{PREFIX}models", self._as_api(self.search), methods=["GET"]),
            Route(upload, self._as_api(self.begin), methods=["POST"]),
            Route(f"{upload}/{{upload}}/blocks/{{sha256}}", self._as_api(self.put_block), methods=["PUT"]),
            Route(f"{upload}/{{upload}}/commit", self._as_api(self.commit), methods=["POST"]),
            Route(f"{PREFIX}models/{{name:path}}", self._as_api(self.show), methods=["GET"]),
            Route(f"{PREFIX}{{rest:path}}", self._as_api(self.nothing), methods=["GET"]),
        ]

    async def describe(self, request: Request) -> Response:
        """Answers with the description of this API."""
        return JSONResponse(description(_base(request)), headers={"Cache-Control": "no-cache"})

    async def nothing(self, request: Request) -> Response:
        """Answers that there is nothing of that name."""
        return problem(request, 404, "The API has nothing of that name.", f"Look at {PREFIX}openapi.json.")

    async def search(self, request: Request) -> Response:
        """Answers with the models that fit a query."""
        query, visitor = query_of(request.query_params.multi_items()), request.state.visitor
        may_read = functools.partial(self._doorkeeper.may_read, visitor)
        results = await to_thread.run_sync(self._index.search, query, may_read)
        models = [
            {
                "name": entry.name,
                "url": f"{_base(request)}/{quote(entry.name)}/{entry.newest}",
                "newest": entry.newest,
                "versions": entry.versions,
                "title": entry.title,
                "description": entry.description,
                "size_bytes": entry.size_bytes,
                "created": entry.created or None,
                "labels": entry.labels,
            }
            for entry in results.entries
        ]
        facets = {name: dict(counts) for name, counts in results.facets.items()}
        values = {"models": models, "total": results.total, "page": results.page, "pages": results.pages}
        return JSONResponse({**values, "facets": facets}, headers={"Cache-Control": "no-cache"})

    async def show(self, request: Request) -> Response:
        """Answers with what is known of a model, or of a version."""
        return await to_thread.run_sync(self._show, request)

    async def begin(self, request: Request) -> Response:
        """Begins or continues an upload."""
        name, _ = await self._publisher(request)
        text = request.query_params.get("version")
        if text is not None and not names.VERSION.fullmatch(text):
            return problem(request, 422, f"{text[:40]!r} is no number of a version.", "Use one such as 3.")
        version = None if text is None else int(text)
        async with self._bodies:
            manifest = await read_body(request, MANIFEST_LIMIT_BYTES)
            upload = await to_thread.run_sync(self._uploads.begin, name, version, manifest)
        return JSONResponse({"upload": upload.content, "version": upload.version, "missing": list(upload.missing)})

    async def put_block(self, request: Request) -> Response:
        """Takes a block of an upload."""
        name, _ = await self._publisher(request)
        upload, sha256 = request.path_params["upload"], request.path_params["sha256"]
        async with self._bodies:
            data = await read_body(request, BLOCK_BYTES)
            await to_thread.run_sync(self._uploads.put_block, name, upload, sha256, data)
        self._metrics.count("blocks")
        self._metrics.count("block_bytes", len(data))
        return Response(status_code=204)

    async def commit(self, request: Request) -> Response:
        """Makes a version of an upload."""
        name, by = await self._publisher(request)
        async with self._bodies:
            body = await read_body(request, _COMMIT_LIMIT_BYTES)
        try:
            version, card = _commit_values(body)
        except ValueError as error:
            return problem(request, 422, f"The body cannot be read: {error}.", 'Send {"version": null, "card": null}.')
        upload = request.path_params["upload"]
        key = (name, upload, by, hashlib.sha256(body).digest())
        do = functools.partial(commit, self._uploads, name, version, upload, by=by, card=card)
        done = await self._commits.result(key, do)
        if done is None:
            return JSONResponse({"status": "running"}, status_code=202, headers={"Retry-After": "1"})
        if done.is_new:
            self._metrics.count("versions")
        handle = f"{_base(request)}/{quote(done.name)}/{done.version}"
        values = {"name": done.name, "version": done.version, "handle": handle}
        return JSONResponse(values, status_code=201 if done.is_new else 200, headers={"Location": handle})

    def _as_api(self, endpoint: Any) -> Any:
        async def answer(request: Request) -> Response:
            request.state.kind = "api"
            try:
                found: Response = await endpoint(request)
            except BodyError as error:
                return problem(request, error.status, error.message, error.hint)
            return found

        return answer

    async def _publisher(self, request: Request) -> tuple[str, str]:
        """Returns the name of the model that somebody publishes, and that of the token."""
        name: str = request.path_params["name"]
        publisher = names.publisher_of(name)
        try:
            return name, self._doorkeeper.check_publishing(request.state.visitor, publisher)
        except Exception:
            self._metrics.count("denied")
            raise

    def _show(self, request: Request) -> Response:
        address = parse_address(request.path_params["name"])
        visitor = request.state.visitor
        is_open = address is not None and self._doorkeeper.may_read(visitor, names.publisher_of(address.name))
        model = self._library.find(address.name if is_open else names.nowhere(address.name)) if address else None
        if address is None or model is None:
            return problem(request, 404, "No such model on this hub.", "A private one needs a token.", versions=[])
        versions, removed = list(model.versions), list(model.removed)
        numbers = {"versions": versions, "removed": removed}
        if address.version is None and not model.versions:
            return JSONResponse({"name": model.name, **numbers, "newest": None}, headers={"Cache-Control": "no-cache"})
        number = model.newest if address.version is None else address.version
        version = self._library.version(model.name, number)
        if isinstance(version, Removed):
            message = f"Version {number} of {model.name} was removed: {version.reason}"
            return problem(request, 410, message, versions=versions, removed=removed)
        if version is None:
            return problem(
                request, 404, f"No version {number} of {model.name}.", "Ask for another one.", versions=versions
            )
        facts = _facts(version, f"{_base(request)}/{quote(model.name)}/{number}")
        values = {"name": model.name, **numbers, "newest": facts} if address.version is None else facts
        return JSONResponse(values, headers={"Cache-Control": "no-cache"})


def _facts(version: PublishedVersion | PlainVersion, handle: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": version.name, "version": version.number, "handle": handle}
    if isinstance(version, PlainVersion):
        return facts
    record = version.record
    archive = {"size_bytes": record.archive.size_bytes, "sha256": record.archive.sha256}
    files = [
        {"name": file.name, "size_bytes": file.size_bytes, "sha256": file.sha256} for file in record.manifest.files
    ]
    created = record.publication.created.isoformat() if record.publication else None
    card = json.loads(json.dumps(dict(record.card), default=str))
    return {
        **facts,
        "created": created,
        "archive": archive,
        "files": files,
        "card": card,
        "interface": record.interface,
    }


def _commit_values(body: bytes) -> tuple[int | None, bytes | None]:
    """Reads the body of a commit.

    Raises:
        ValueError: If it is another one.
    """
    try:
        values = json.loads(body or b"{}")
    except RecursionError as error:
        raise ValueError("it is too deep") from error
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    version, card = values.get("version"), values.get("card")
    if not (version is None or (type(version) is int and names.VERSION.fullmatch(str(version)))):
        raise ValueError("'version' is no number of a version")
    if not isinstance(card, (str, type(None))):
        raise ValueError("'card' is no text")
    return version, None if card is None else card.encode("utf-8")


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")
